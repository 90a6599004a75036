//! The number of threads, in a process of its own: it can be set only before the first device is opened.

use tandem_compile::pjrt::{Device, limit_threads};

#[test]
fn threads_are_limited_before_the_first_device_and_not_after() {
    assert!(limit_threads(0).is_err());
    limit_threads(1).unwrap();
    let before = threads();
    Device::cpu().unwrap();
    if let (Some(before), Some(after)) = (before, threads()) {
        // One that runs programs and one that makes transfers.
        assert!(after <= before + 2, "{before} threads became {after}");
    }
    let error = limit_threads(2).unwrap_err().to_string();
    assert_eq!(error, "a device is open, and its threads are running; limit them before the first device is opened");
}

/// Threads of this process, where the system says.
fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}
