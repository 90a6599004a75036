//! The random numbers of samples and sketches: Threefry-2x32 with 20 rounds, as its paper writes it down (Salmon,
//! Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

/// The words of one stream of a seed: the columns' is stream 0, the rows' stream 1.
pub(in crate::cur) fn words(seed: u64, stream: u32, len: usize) -> Vec<u32> {
    let key = cipher([(seed >> 32) as u32, seed as u32], [stream, 2]);
    (0..len as u32).map(|counter| cipher(key, [counter, 0])[0]).collect()
}

/// The words of the seed itself.
pub(in crate::cur) fn plain_words(seed: u64, len: usize) -> Vec<u32> {
    let key = [(seed >> 32) as u32, seed as u32];
    (0..len as u32).map(|counter| cipher(key, [counter, 0])[0]).collect()
}

/// Multiples of 2^-24 in `[0, 1)`.
pub(in crate::cur) fn uniform(seed: u64, stream: u32, len: usize) -> Vec<f64> {
    words(seed, stream, len).into_iter().map(|word| f64::from(word >> 8) / f64::from(1 << 24)).collect()
}

fn cipher(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    const EVEN: [u32; 4] = [13, 15, 26, 6];
    const ODD: [u32; 4] = [17, 29, 16, 24];
    let schedule = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD1_1BDA];
    let (mut x, mut y) = (counter[0].wrapping_add(schedule[0]), counter[1].wrapping_add(schedule[1]));
    for group in 0..5 {
        for rotation in if group % 2 == 0 { EVEN } else { ODD } {
            x = x.wrapping_add(y);
            y = y.rotate_left(rotation) ^ x;
        }
        x = x.wrapping_add(schedule[(group + 1) % 3]);
        y = y.wrapping_add(schedule[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    [x, y]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ciphers_known_answers_come_out() {
        // Random123's known answers.
        assert_eq!(cipher([0, 0], [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(cipher([u32::MAX; 2], [u32::MAX; 2]), [0x1cb9_96fc, 0xbb00_2be7]);
    }

    #[test]
    fn streams_differ() {
        assert_ne!(words(1, 0, 8), words(1, 1, 8));
    }
}
