//! What programs are run on.

use tandem_compile::{DType, HostArray, TensorType};

/// A stream of random numbers: splitmix64.
pub struct Stream(u64);

impl Stream {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 * 2f64.powi(-53)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }
}

/// One array per type: numbers below 3, or few different ones with zeros among them; integers mostly small.
pub fn arrays(types: &[TensorType], seed: u64, ties: bool) -> Vec<HostArray> {
    let mut stream = Stream::new(seed);
    types.iter().map(|ty| array(ty, &mut stream, ties)).collect()
}

fn array(ty: &TensorType, stream: &mut Stream, ties: bool) -> HostArray {
    let mut float = || match ties {
        true => [-1.0, 0.0, 0.0, 0.5, 1.0, 1.0, 2.0][stream.below(7)],
        false => 6.0 * stream.unit() - 3.0,
    };
    let shape = ty.shape.clone();
    match ty.dtype {
        DType::F64 => HostArray::from_fn(shape, |_| float()),
        DType::F32 => HostArray::from_fn(shape, |_| float() as f32),
        DType::Bool => HostArray::from_fn(shape, |_| stream.below(2) == 0),
        DType::U32 => HostArray::from_fn(shape, |_| integer(stream, ties) as u32),
        DType::I32 => HostArray::from_fn(shape, |_| integer(stream, ties) as i32),
        _ => HostArray::from_fn(shape, |_| integer(stream, ties)),
    }
}

fn integer(stream: &mut Stream, ties: bool) -> i64 {
    let wide = [i64::from(i32::MAX), i64::from(i32::MIN), 1 << 20, -77];
    match stream.below(if ties { 9 } else { 20 }) {
        0 => wide[stream.below(4)],
        _ => stream.below(if ties { 3 } else { 9 }) as i64 - if ties { 0 } else { 3 },
    }
}
