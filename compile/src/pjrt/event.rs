//! Events: how a plugin says that asynchronous work is done.

use super::api::Api;
use super::raw;
use crate::error::Result;

/// An event of the plugin's, destroyed when dropped.
pub(crate) struct Event<'a> {
    api: &'a Api,
    raw: *mut raw::Event,
}

impl<'a> Event<'a> {
    /// # Safety
    /// `raw` is null (nothing to wait for) or an event of this plugin's that nobody else destroys.
    pub unsafe fn new(api: &'a Api, raw: *mut raw::Event) -> Self {
        Self { api, raw }
    }

    /// True when the work is done, well or badly.
    pub fn is_ready(&self) -> Result<bool> {
        if self.raw.is_null() {
            return Ok(true);
        }
        let mut args = raw::EventIsReady { event: self.raw, ..raw::EventIsReady::new() };
        // SAFETY: the event is alive.
        unsafe { self.api.call(&mut args)? };
        Ok(args.is_ready)
    }

    /// Blocks until the work is done; an error of the work is returned.
    pub fn wait(&self) -> Result<()> {
        if self.raw.is_null() {
            return Ok(());
        }
        // SAFETY: the event is alive.
        unsafe { self.api.call(&mut raw::EventAwait { event: self.raw, ..raw::EventAwait::new() }) }
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: the event is ours and not used again.
            unsafe { self.api.destroy(raw::EventDestroy { event: self.raw, ..raw::EventDestroy::new() }) }
        }
    }
}
