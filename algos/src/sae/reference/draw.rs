//! What the trainer draws, on the host: Threefry-2x32-20 by its definition.

/// A key of two words.
pub type Key = [u32; 2];

/// The key of a seed: its high and its low half.
pub fn key(seed: u64) -> Key {
    [(seed >> 32) as u32, seed as u32]
}

/// The key for the number `data` under `key`: the cipher on the counter (data, 2).
pub fn folded(key: Key, data: u32) -> Key {
    cipher(key, [data, 2])
}

/// Multiples of 2^-24 in [0, 1), from the words on the counters (0, 0), (1, 0), ...
pub fn uniform(key: Key, len: usize) -> Vec<f64> {
    words(key, len).into_iter().map(|word| f64::from(word >> 8) / f64::from(1u32 << 24)).collect()
}

/// The order that sorts the words, equal ones as they stand.
pub fn permutation(key: Key, len: usize) -> Vec<usize> {
    let words = words(key, len);
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_key(|&i| words[i]);
    order
}

fn words(key: Key, len: usize) -> Vec<u32> {
    (0..len as u32).map(|counter| cipher(key, [counter, 0])[0]).collect()
}

fn cipher(key: Key, counter: [u32; 2]) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let schedule = [key[0], key[1], 0x1BD1_1BDA ^ key[0] ^ key[1]];
    let [mut a, mut b] = [counter[0].wrapping_add(schedule[0]), counter[1].wrapping_add(schedule[1])];
    for group in 0..5usize {
        for rotation in ROTATIONS[group % 2] {
            a = a.wrapping_add(b);
            b = a ^ b.rotate_left(rotation);
        }
        a = a.wrapping_add(schedule[(group + 1) % 3]);
        b = b.wrapping_add(schedule[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    [a, b]
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
}
