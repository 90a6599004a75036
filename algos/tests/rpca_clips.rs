//! The generator of clips: what it promises.

use tandem_algos::rpca::clips::Clips;
use tandem_algos::rpca::metrics::components;
use tandem_compile::pjrt::Device;
use tandem_compile::{DType, HostArray, Tensor, jit};
use tandem_linalg::svdvals;

const SHAPE: [usize; 3] = [20, 32, 40];

/// What draws so many clips of a key: frames, masks, clean parts, and the singular values of every clean part.
fn drawer(clips: Clips, count: usize, dtype: DType) -> impl Fn(u32) -> [HostArray; 4] {
    let draw = jit(move |key: Tensor| {
        let clip = clips.draw_many(key, count, dtype);
        let [n, h, w] = [clips.frames, clips.height, clips.width];
        let spectrum = svdvals(&clip.clean.reshape([count, n, h * w]));
        [clip.frames, clip.masks, clip.clean, spectrum]
    })
    .on(&Device::cpu().unwrap());
    move |seed| {
        let results: Vec<HostArray> = draw.call(&[0, seed]).unwrap();
        results.try_into().unwrap()
    }
}

#[test]
fn a_clip_is_a_scene_of_rank_3_with_targets_and_noise() {
    let [n, h, w] = SHAPE;
    let count = 6;
    let [frames, masks, clean, spectrum] = drawer(Clips::new(n, h, w), count, DType::F64)(4);
    assert_eq!(frames.shape(), [count, n, h, w]);
    for s in spectrum.to_f64().chunks(n) {
        assert!(s[3] < 1e-12 * s[0] && s[1] > 1e-4 * s[0], "{s:?}");
    }
    let (frames, masks, clean) = (frames.to_f64(), masks.to_f64(), clean.to_f64());
    assert!(masks.iter().all(|&x| x == 0.0 || x == 1.0));
    // Grey levels, the camera's.
    assert!(frames.iter().all(|&x| (0.0..=1.0).contains(&x) && (x * 255.0 - (x * 255.0).round()).abs() < 1e-9));
    let outside: Vec<f64> =
        (0..frames.len()).filter(|&i| masks[i] == 0.0).map(|i| 255.0 * (frames[i] - clean[i])).collect();
    let deviation = (outside.iter().map(|x| x * x).sum::<f64>() / outside.len() as f64).sqrt();
    // 1.5, and a little from rounding to whole grey levels.
    assert!((1.45..1.6).contains(&deviation), "{deviation}");
    let share = masks.iter().sum::<f64>() / masks.len() as f64;
    assert!((0.005..0.1).contains(&share), "{share}");
    // In the targets frames differ from the scene, nearly everywhere by much more than the noise.
    let inside: Vec<f64> =
        (0..frames.len()).filter(|&i| masks[i] == 1.0).map(|i| 255.0 * (frames[i] - clean[i]).abs()).collect();
    let faint = inside.iter().filter(|x| **x < 10.0).count();
    assert!(faint * 50 < inside.len(), "{faint} of {}", inside.len());
}

#[test]
fn targets_are_small_and_move() {
    let [n, h, w] = SHAPE;
    let [_, masks, ..] = drawer(Clips::new(n, h, w).targets(1), 24, DType::F32)(9);
    let masks: Vec<bool> = masks.to_f64().into_iter().map(|x| x == 1.0).collect();
    let (mut seen, mut specks, mut moving) = (0, 0, 0);
    for clip in masks.chunks(n * h * w) {
        let frames: Vec<&[bool]> = clip.chunks(h * w).collect();
        let Some(frame) = frames.iter().find(|frame| frame.iter().any(|&x| x)) else { continue };
        let targets = components(frame, [h, w]);
        assert_eq!(targets.len(), 1);
        assert!(targets[0].len() <= 90, "{}", targets[0].len());
        seen += 1;
        specks += usize::from(targets[0].len() <= 4);
        moving += usize::from(frames.iter().any(|other| other.iter().any(|&x| x) && other != frame));
    }
    assert!(seen >= 12 && specks >= 4 && moving * 3 >= seen * 2, "{seen} seen, {specks} specks, {moving} moving");
}

#[test]
fn everything_follows_from_the_key() {
    let [n, h, w] = SHAPE;
    let clips = Clips::new(n, h, w);
    let draw = drawer(clips, 2, DType::F32);
    let first = draw(3);
    assert_eq!(first, draw(3));
    assert_ne!(first[2], draw(4)[2]);
    let values = first[2].to_f64();
    assert_ne!(values[..n * h * w], values[n * h * w..]);
    // The same targets in f64, up to those whose place is rounded the other way.
    let double = drawer(clips, 2, DType::F64)(3)[1].to_f64();
    let other = double.iter().zip(first[1].to_f64()).filter(|(a, b)| **a != *b).count();
    assert!(other * 1000 < double.len(), "{other}");
    let still = drawer(clips.drift(0.0).targets(0).noise(0.0), 1, DType::F64)(3);
    assert!(still[3].to_f64()[1] < 1e-9 && still[1].to_f64().iter().all(|&x| x == 0.0));
}
