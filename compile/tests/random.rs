//! Random numbers are the published cipher's, the same in every element type that can hold them.

use tandem_compile::pjrt::Device;
use tandem_compile::random::{bits, key, permutation, uniform};
use tandem_compile::{DType, HostArray, Tensor, jit};

fn run(f: impl Fn() -> Vec<Tensor>) -> Vec<HostArray> {
    let device = Device::cpu().unwrap_or_else(|error| panic!("{error}"));
    jit(|_: ()| f()).on(&device).call(()).unwrap_or_else(|error| panic!("{error}"))
}

/// Threefry-2x32 with 20 rounds, by the paper's figure, a word at a time.
fn threefry(key: (u32, u32), counter: (u32, u32)) -> (u32, u32) {
    let keys = [key.0, key.1, 0x1BD1_1BDA ^ key.0 ^ key.1];
    let (mut x, mut y) = (counter.0.wrapping_add(keys[0]), counter.1.wrapping_add(keys[1]));
    for block in 0..5u32 {
        for rotation in [[13, 15, 26, 6], [17, 29, 16, 24]][block as usize % 2] {
            x = x.wrapping_add(y);
            y = y.rotate_left(rotation) ^ x;
        }
        let injected = block as usize + 1;
        x = x.wrapping_add(keys[injected % 3]);
        y = y.wrapping_add(keys[(injected + 1) % 3]).wrapping_add(block + 1);
    }
    (x, y)
}

#[test]
fn the_cipher_gives_the_known_answers_of_random123() {
    // From `kat_vectors` of Random123: threefry2x32, 20 rounds.
    assert_eq!(threefry((0, 0), (0, 0)), (0x6b20_0159, 0x99ba_4efe));
    assert_eq!(threefry((u32::MAX, u32::MAX), (u32::MAX, u32::MAX)), (0x1cb9_96fc, 0xbb00_2be7));
    assert_eq!(threefry((0x1319_8a2e, 0x0370_7344), (0x243f_6a88, 0x85a3_08d3)), (0xc492_3a9c, 0x483d_f7a0));
    let keys = [(0, 0), (u32::MAX, u32::MAX), (0x1319_8a2e, 0x0370_7344), key(0x0123_4567_89ab_cdef)];
    let words = run(|| keys.iter().map(|&key| bits(key, 1000)).collect());
    assert_eq!(words[0].values::<u32>().unwrap()[0], 0x6b20_0159);
    for (key, words) in keys.into_iter().zip(words) {
        let expected: Vec<u32> = (0..1000).map(|i| threefry(key, (i, 0)).0).collect();
        assert_eq!(words.values::<u32>().unwrap(), expected);
    }
}

#[test]
fn uniform_numbers_lie_in_the_half_open_interval_in_every_float_type() {
    let dtypes = [DType::F64, DType::F32, DType::F16, DType::BF16];
    let found = run(|| dtypes.iter().map(|&dtype| uniform(key(7), [100, 100], dtype)).collect());
    for (numbers, dtype) in found.iter().zip(dtypes) {
        assert_eq!((numbers.dtype(), numbers.shape()), (dtype, &[100, 100][..]));
        let numbers = numbers.to_f64();
        assert!(numbers.iter().all(|x| (0.0..1.0).contains(x)), "{dtype}");
        // The mean of 10^4 has a standard deviation of 0.0029, and rounding down to 8 bits moves it by 0.002.
        let mean = numbers.iter().sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.012, "{dtype}: {mean}");
    }
    assert_eq!(found[0].to_f64(), found[1].to_f64(), "the same numbers in f64 and f32");
}

#[test]
fn a_permutation_has_every_position_once() {
    for len in [0, 1, 2, 1000] {
        let order = run(|| vec![permutation(key(3), len)]).remove(0);
        let mut sorted = order.values::<i32>().unwrap().to_vec();
        assert!(len < 1000 || !sorted.is_sorted());
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..len as i32));
    }
}

#[test]
fn other_seeds_give_other_numbers_and_the_same_seed_the_same() {
    let seeds = [0, 1, 1 << 32, u64::MAX, 0];
    let found = run(|| seeds.iter().map(|&seed| bits(key(seed), 8)).collect());
    for i in 0..5 {
        for j in 0..i {
            assert_eq!(found[i] == found[j], seeds[i] == seeds[j], "seeds {} and {}", seeds[i], seeds[j]);
        }
    }
}
