//! Hardware that programs are compiled for without its being there, and what it can do at most.

/// A kind of accelerator that a plugin compiles for by its description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardware {
    /// Google's TPU v5e, as the four chips of `v5e:2x2`, of which a program uses one.
    TpuV5e,
    /// NVIDIA's H200 SXM, 141 GB.
    CudaH200,
    /// NVIDIA's A100 SXM, 80 GB.
    CudaA100,
}

/// What a device can do at most, by its maker's data sheet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Bytes per second between memory and chip.
    pub bandwidth: f64,
    /// Operations per second in f32, with every product in full f32 precision.
    pub f32: f64,
    /// Operations per second in f64; `None` where there is no f64 arithmetic and so no published rate.
    pub f64: Option<f64>,
    /// Bytes of memory.
    pub memory: f64,
    /// Where the numbers are from, and how the rate of f32 follows from them.
    pub source: &'static str,
}

impl Hardware {
    /// All of it, by name.
    pub const NAMES: [(&'static str, Self); 3] =
        [("tpu-v5e", Self::TpuV5e), ("cuda-h200", Self::CudaH200), ("cuda-a100", Self::CudaA100)];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TpuV5e => "tpu-v5e",
            Self::CudaH200 => "cuda-h200",
            Self::CudaA100 => "cuda-a100",
        }
    }

    /// The hardware of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, hardware)| hardware)
    }

    /// The device whose plugin compiles for it.
    pub fn device(self) -> &'static str {
        match self {
            Self::TpuV5e => "tpu",
            Self::CudaH200 | Self::CudaA100 => "cuda",
        }
    }

    /// The name and the options by which the plugin knows it.
    pub(super) fn topology(self) -> (&'static str, Vec<(&'static str, &'static str)>) {
        let card = |description| ("", vec![("topology", "1x1x1"), ("target_config", description)]);
        match self {
            Self::TpuV5e => ("v5e:2x2", Vec::new()),
            Self::CudaH200 => card(include_str!("h200.txt")),
            Self::CudaA100 => card(include_str!("a100.txt")),
        }
    }

    /// What it can do at most.
    pub fn peak(self) -> Peak {
        match self {
            Self::TpuV5e => Peak {
                bandwidth: 819e9,
                // Six products of bf16 numbers make one of f32 numbers (`precision = HIGHEST`).
                f32: 197e12 / 6.0,
                f64: None,
                memory: 16e9,
                source: "Google Cloud, \"TPU v5e\": 197 TFLOP/s in bf16, of which a product in f32 takes six; 819 GB/s, 16 GB",
            },
            Self::CudaH200 => Peak {
                bandwidth: 4.8e12,
                f32: 67e12,
                f64: Some(67e12),
                memory: 141e9,
                source: "NVIDIA, \"H200 Tensor Core GPU\" data sheet, SXM: FP32 67 TFLOP/s, FP64 67 by tensor cores (34 \
                         otherwise), 4.8 TB/s, 141 GB",
            },
            Self::CudaA100 => Peak {
                bandwidth: 2.039e12,
                f32: 19.5e12,
                f64: Some(19.5e12),
                memory: 80e9,
                source: "NVIDIA, \"A100 Tensor Core GPU\" data sheet, SXM 80 GB: FP32 19.5 TFLOP/s, FP64 19.5 by tensor \
                         cores (9.7 otherwise), 2039 GB/s",
            },
        }
    }
}

/// The least time that a program can take, and what decides it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roofline {
    /// Seconds.
    pub seconds: f64,
    /// Whether arithmetic takes longer than memory.
    pub by_arithmetic: bool,
}

impl Peak {
    /// The time that `flops` operations in a precision of `rate` and `bytes` read and written take at least: whichever takes
    /// longer at its peak (Williams, Waterman, Patterson, "Roofline", CACM 52, 2009). Without a rate memory alone counts.
    pub fn roofline(&self, rate: Option<f64>, flops: f64, bytes: f64) -> Roofline {
        let arithmetic = rate.map_or(0.0, |rate| flops / rate);
        let memory = bytes / self.bandwidth;
        Roofline { seconds: arithmetic.max(memory), by_arithmetic: arithmetic > memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_and_an_unknown_one_is_not() {
        for (name, hardware) in Hardware::NAMES {
            assert_eq!((Hardware::named(name), hardware.name()), (Some(hardware), name));
        }
        assert_eq!(Hardware::named("tpu"), None);
    }

    #[test]
    fn the_slower_of_arithmetic_and_memory_decides() {
        let peak = Hardware::CudaA100.peak();
        let heavy = peak.roofline(Some(peak.f32), 19.5e12, 2.039e12 / 2.0);
        assert_eq!(heavy, Roofline { seconds: 1.0, by_arithmetic: true });
        let light = peak.roofline(Some(peak.f32), 19.5e6, 2.039e12);
        assert_eq!(light, Roofline { seconds: 1.0, by_arithmetic: false });
        assert!(!peak.roofline(None, 1e30, 1.0).by_arithmetic);
    }
}
