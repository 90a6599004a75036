//! Running graphs where they are compared.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Instant;

use tandem_compile::pjrt::{Device, Executable};
use tandem_compile::{DType, Graph, HostArray};

/// Something that runs a graph.
pub trait Backend {
    /// The name on the certificate.
    fn name(&self) -> String;

    /// The versions of what runs, by name, for the certificate.
    fn versions(&self) -> Vec<(String, String)>;

    /// The results of the graph on these inputs.
    ///
    /// # Errors
    /// Whatever compiling and running report.
    fn run(&self, graph: &Graph, inputs: &[HostArray]) -> Result<Vec<HostArray>, String>;

    /// How many programs have been compiled, and in how many seconds.
    fn compiled(&self) -> (usize, f64) {
        (0, 0.0)
    }

    /// Whether subnormal numbers of `dtype` count as zeros there.
    ///
    /// # Errors
    /// Whatever finding out reports.
    fn flushes_subnormals(&self, _: DType) -> Result<bool, String> {
        Ok(false)
    }
}

/// A PJRT device that keeps what it has compiled: laws run the same program again.
pub struct Compiled {
    device: Device,
    programs: RefCell<HashMap<String, Executable>>,
    seconds: Cell<f64>,
    flushes: RefCell<HashMap<DType, bool>>,
}

impl Compiled {
    /// A backend that runs on `device`.
    pub fn on(device: &Device) -> Self {
        Self {
            device: device.clone(),
            programs: RefCell::default(),
            seconds: Cell::default(),
            flushes: RefCell::default(),
        }
    }
}

impl Backend for Compiled {
    fn name(&self) -> String {
        self.device.name().into()
    }

    fn versions(&self) -> Vec<(String, String)> {
        let plugin = self.device.plugin();
        let (major, minor) = plugin.api_version();
        vec![
            ("pjrt".into(), format!("{major}.{minor}")),
            ("platform".into(), self.device.platform_version().split_whitespace().collect::<Vec<_>>().join(" ")),
            ("hardware".into(), self.device.kind().into()),
        ]
    }

    fn run(&self, graph: &Graph, inputs: &[HostArray]) -> Result<Vec<HostArray>, String> {
        let text = graph.stablehlo();
        let known = self.programs.borrow().get(&text).cloned();
        let program = match known {
            Some(program) => program,
            None => {
                let start = Instant::now();
                let program = self.device.compile(&text).map_err(|e| e.to_string())?;
                self.seconds.set(self.seconds.get() + start.elapsed().as_secs_f64());
                self.programs.borrow_mut().insert(text, program.clone());
                program
            }
        };
        program.run(&self.device, inputs).map_err(|e| e.to_string())
    }

    fn compiled(&self) -> (usize, f64) {
        (self.programs.borrow().len(), self.seconds.get())
    }

    fn flushes_subnormals(&self, dtype: DType) -> Result<bool, String> {
        // It takes a program to find out: once is enough.
        if let Some(&known) = self.flushes.borrow().get(&dtype) {
            return Ok(known);
        }
        let flushes = self.device.flushes_subnormals(dtype).map_err(|e| e.to_string())?;
        self.flushes.borrow_mut().insert(dtype, flushes);
        Ok(flushes)
    }
}
