//! Random numbers are the published cipher's, the same in every element type that can hold them.

use tandem_compile::pjrt::Device;
use tandem_compile::random::{self, bits, key, permutation, uniform};
use tandem_compile::{DType, HostArray, Tensor, TensorType, jit, trace};

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

/// Mean, variance, and the largest distance of the sorted numbers' distribution from the one that they should have.
fn moments(mut x: Vec<f64>, distribution: fn(f64) -> f64) -> (f64, f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    x.sort_by(f64::total_cmp);
    let distance = |(i, &x): (usize, &f64)| (distribution(x) - (i as f64 + 0.5) / n).abs();
    (mean, variance, x.iter().enumerate().map(distance).fold(0.0, f64::max))
}

#[test]
fn normal_numbers_are_distributed_as_their_name_says() {
    let device = Device::cpu().unwrap();
    const N: usize = 40_000;
    for dtype in [DType::F64, DType::F32, DType::F16] {
        let draw = jit(move |()| random::normal(random::key(11), [N], dtype)).on(&device);
        let found: HostArray = draw.call(()).unwrap();
        let (mean, variance, distance) = moments(found.to_f64(), |x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2));
        // Four standard deviations of each of the first two; 1.95 / sqrt(n) is exceeded once in a thousand times.
        assert!(mean.abs() < 4.0 / (N as f64).sqrt(), "{dtype}: mean {mean}");
        assert!((variance - 1.0).abs() < 4.0 * (2.0 / N as f64).sqrt(), "{dtype}: variance {variance}");
        assert!(distance < 1.95 / (N as f64).sqrt(), "{dtype}: distance {distance}");
    }
}

#[test]
fn whole_numbers_and_choices_stay_in_their_range() {
    let device = Device::cpu().unwrap();
    let draw = jit(|()| random::integers(random::key(5), [30_000], -2, 4)).on(&device);
    let found: Vec<i32> = draw.call(()).unwrap();
    let counts: Vec<usize> = (-2..4).map(|n| found.iter().filter(|&&x| x == n).count()).collect();
    assert_eq!(counts.iter().sum::<usize>(), found.len());
    // Six values: the expected 5000 to four standard deviations.
    assert!(counts.iter().all(|&count| count.abs_diff(5000) < 4 * 65), "{counts:?}");
    let whole = jit(|()| random::integers(random::key(5), [1000], i32::MIN, i32::MAX)).on(&device);
    let found: Vec<i32> = whole.call(()).unwrap();
    assert!(found.iter().any(|&x| x < -1 << 30) && found.iter().any(|&x| x > 1 << 30));

    let choose = |replace| jit(move |()| random::choice(random::key(9), 20, 12, replace)).on(&device);
    let mut found: Vec<i32> = choose(false).call(()).unwrap();
    found.sort_unstable();
    found.dedup();
    assert!(found.len() == 12 && found.iter().all(|x| (0..20).contains(x)), "{found:?}");
    let found: Vec<i32> = choose(true).call(()).unwrap();
    assert!(found.len() == 12 && found.iter().all(|x| (0..20).contains(x)), "{found:?}");
}

#[test]
fn keys_that_are_split_or_folded_give_other_numbers() {
    let device = Device::cpu().unwrap();
    let f = |key: Tensor| {
        let keys = random::split(&key, 3);
        let folded = |i: i32| random::fold_in(&key, &tandem_compile::scalar(i));
        let of = |key: &Tensor| random::bits(key, 4);
        let rows: Vec<Tensor> = (0..3).map(|i| of(&keys.slice(0, i, i + 1).reshape([2]))).collect();
        (of(&key), of(&folded(0)), of(&folded(1)), rows)
    };
    let found: Vec<HostArray> = jit(f).on(&device).call(&[1u32, 2][..]).unwrap();
    for (i, x) in found.iter().enumerate() {
        assert!(found[..i].iter().all(|y| x != y), "{found:?}");
    }
    // A key known when the program is traced is the same as one that comes as an argument.
    let known: Vec<u32> = jit(|()| random::bits((1, 2), 4)).on(&device).call(()).unwrap();
    assert_eq!(found[0].values::<u32>().unwrap(), known);
}

#[test]
fn misuse_is_refused() {
    let message = |f: fn(Tensor) -> Tensor, ty: TensorType| trace(f, &[ty]).unwrap_err().to_string();
    let key = || TensorType::new(DType::U32, [2]);
    assert!(
        message(|k| random::bits(&k, 3), TensorType::new(DType::F32, [2]))
            .contains("random: a key is u32[2], got f32[2]")
    );
    assert!(
        message(|k| random::normal(&k, [3], DType::I32), key()).contains("normal: floating-point numbers only, i32")
    );
    assert!(message(|k| random::integers(&k, [3], 4, 4), key()).contains("integers: there is no number in 4..4"));
    assert!(message(|k| random::choice(&k, 3, 4, false), key()).contains("choice: 4 of 3 numbers cannot be chosen"));
}
