//! The generator of reference problems: splitmix64 as a function of (seed, index), easily written again in any
//! language, so that published numbers can be reproduced anywhere.

/// The `i`-th word of `seed`'s stream, i from 1 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
pub fn word(seed: u64, i: u64) -> u64 {
    let z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `len` uniform numbers in `[0, 1)`: the upper 53 bits of each word.
pub fn uniform(seed: u64, len: usize) -> Vec<f64> {
    (1..=len as u64).map(|i| unit(word(seed, i))).collect()
}

/// `len` normal numbers by the Box-Muller transform of pairs of words.
pub fn normal(seed: u64, len: usize) -> Vec<f64> {
    let mut values: Vec<f64> = (0..len.div_ceil(2) as u64).flat_map(|pair| normal_pair(seed, pair)).collect();
    values.truncate(len);
    values
}

fn normal_pair(seed: u64, pair: u64) -> [f64; 2] {
    // The first number is shifted to (0, 1]: its logarithm is taken.
    let u1 = unit(word(seed, 2 * pair + 1)) + 2f64.powi(-53);
    let angle = 2.0 * std::f64::consts::PI * unit(word(seed, 2 * pair + 2));
    let radius = (-2.0 * u1.ln()).sqrt();
    [radius * angle.cos(), radius * angle.sin()]
}

fn unit(word: u64) -> f64 {
    (word >> 11) as f64 * 2f64.powi(-53)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_numbers_come_out() {
        assert_eq!([1, 2, 3].map(|i| word(0, i)), [0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f]);
        assert_eq!(uniform(1, 4), [0.5665615751722809, 0.7457817572627011, 0.9710027535867962, 0.4443592170557721]);
        let expected = [-0.028249746095854695, -1.065617648414326, -0.2279195228676347, 0.0830941684715009];
        for (x, y) in normal(1, 4).into_iter().zip(expected) {
            assert!((x - y).abs() < 1e-15, "{x} {y}");
        }
    }
}
