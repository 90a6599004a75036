//! What must hold of the networks, whatever the rounding.

use tandem_compile::{DType, HostArray};
use tandem_verify::status::Status;
use tandem_verify::{Law, Outcome, Trial, Verdict};

use super::layers::EPSILON;
use super::subject::{Case, Twist};

type Judged = Result<Verdict, String>;

/// The laws of a network at work.
pub fn of_separating() -> Vec<Law<Case>> {
    vec![
        Law { name: "a_bad_frame_poisons_itself_and_bad_weights_everything", judge: bad_numbers_poison },
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_of_finite_inputs_are_finite },
        Law { name: "mask_is_where_the_target_is_positive", judge: mask_is_where_the_target_is_positive },
        Law { name: "results_are_those_of_the_last_stage", judge: results_are_those_of_the_last_stage },
        Law { name: "without_weights_all_is_background", judge: without_weights_all_is_background },
        Law { name: "order_of_the_frames_does_not_matter", judge: order_of_the_frames },
        Law { name: "frames_are_independent", judge: frames_are_independent },
        Law { name: "batch_norm_is_affine", judge: batch_norm_is_affine },
    ]
}

/// The laws of a batch of training.
pub fn of_a_batch() -> Vec<Law<Case>> {
    vec![
        Law::poison(),
        Law { name: "outputs_of_finite_inputs_are_finite", judge: outputs_of_finite_inputs_are_finite },
        Law { name: "loss_is_between_its_bounds", judge: loss_is_between_its_bounds },
        Law { name: "without_weights_all_is_background", judge: without_weights_all_is_background },
        Law { name: "order_of_the_frames_does_not_matter", judge: order_of_the_frames },
        Law { name: "running_moments_move_a_tenth_of_the_way", judge: moments_move_a_tenth },
        Law { name: "attention_to_one_frame_is_its_shift", judge: attention_to_one_frame },
    ]
}

/// What rounding may do to results of a size of about 1.
fn slack<C>(trial: &Trial<C>) -> f64 {
    if trial.dtype == DType::F64 { 1e-12 } else { 1e-5 }
}

fn nan_or(x: f64) -> f64 {
    if x.is_nan() { f64::INFINITY } else { x }
}

/// The largest difference of two arrays, relative to the larger of the first one's size and 1.
fn distance(x: &[f64], y: &[f64]) -> f64 {
    let scale = x.iter().fold(1.0, |most: f64, x| most.max(nan_or(x.abs())));
    let apart = x.iter().zip(y).map(|(x, y)| if x == y { 0.0 } else { nan_or((x - y).abs()) });
    if x.len() == y.len() { apart.fold(0.0, f64::max) / scale } else { f64::INFINITY }
}

/// The first output of numbers that differs from what is expected.
fn same(trial: &Trial<Case>, expected: &[(&str, Vec<f64>)], found: &Outcome<f64>, slack: f64) -> Verdict {
    for (name, expected) in expected {
        let off = distance(expected, &found.reals(name));
        if off > slack {
            return Verdict::Broken(format!("{name} is off by {off:e} in {:?}", trial.case));
        }
    }
    Verdict::Holds
}

/// The names of the network's arrays, with their places among the inputs.
fn places(trial: &Trial<Case>) -> Vec<(usize, String)> {
    let names = trial.case.model.names();
    let first = trial.inputs.len() - names.len();
    names.into_iter().enumerate().map(|(i, (name, _))| (first + i, name)).collect()
}

/// The inputs with some of them changed, element by element.
fn changed(trial: &Trial<Case>, change: impl Fn(usize, usize, f64) -> f64) -> Result<Vec<HostArray>, String> {
    let change = |(at, input): (usize, &HostArray)| {
        let values = input.to_f64();
        let array = HostArray::from_fn(input.shape(), |i| change(at, i, values[i]));
        array.cast(trial.dtype).map_err(|e| e.to_string())
    };
    trial.inputs.iter().enumerate().map(change).collect()
}

/// The pixels of a frame.
fn pixels(trial: &Trial<Case>) -> usize {
    trial.case.sizes[1] * trial.case.sizes[2]
}

fn bad_numbers_poison(trial: &Trial<Case>) -> Judged {
    if trial.finite() {
        return Ok(Verdict::Idle);
    }
    let ([n, ..], len) = (trial.case.sizes, pixels(trial));
    let whole = trial.inputs[1..].iter().all(|input| input.first_nonfinite().is_none());
    let frames = trial.inputs[0].to_f64();
    let bad = |i: usize| !whole || frames[i * len..(i + 1) * len].iter().any(|x| !x.is_finite());
    let frame_of = |at: usize| at / len % n;
    let numbers = ["background", "target", "image", "backgrounds", "targets"]
        .iter()
        .all(|name| trial.outcome.reals(name).iter().enumerate().all(|(at, x)| x.is_nan() == bad(frame_of(at))));
    let mask = trial.outcome.indices("mask").iter().enumerate().all(|(at, &m)| (m == -1) == bad(frame_of(at)));
    let said = Status(trial.outcome.status) == Status::NONFINITE_INPUT;
    Ok(Verdict::of(numbers && mask && said, || format!("{:?}", trial.outcome)))
}

fn outputs_of_finite_inputs_are_finite(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let names = trial.outcome.outputs.iter().map(|output| output.name);
    let sound = names.clone().all(|name| trial.outcome.reals(name).iter().all(|x| x.is_finite()));
    Ok(Verdict::of(sound && trial.outcome.status == 0, || format!("{:?}", trial.outcome)))
}

fn mask_is_where_the_target_is_positive(trial: &Trial<Case>) -> Judged {
    let target = trial.outcome.reals("target");
    let expected = target.iter().map(|&x| if x.is_nan() { -1 } else { i32::from(x > 0.0) });
    Ok(Verdict::of(expected.eq(trial.outcome.indices("mask")), || format!("{:?}", trial.outcome)))
}

fn results_are_those_of_the_last_stage(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let last = |all: &str, one: &str| trial.outcome.reals(all).ends_with(&trial.outcome.reals(one));
    let holds = last("backgrounds", "background") && last("targets", "target");
    Ok(Verdict::of(holds, || format!("{:?}", trial.outcome)))
}

/// With kernels and biases of zeros T stays 0, the first background is the frame, and the image is 0 from then on.
fn without_weights_all_is_background(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let learned: Vec<usize> = places(trial)
        .into_iter()
        .filter(|(at, name)| name.ends_with("bias") || trial.inputs[*at].shape().len() == 5)
        .map(|(at, _)| at)
        .collect();
    let inputs = changed(trial, |at, _, x| if learned.contains(&at) { 0.0 } else { x })?;
    let found = (trial.rerun)(trial.case, &inputs)?;
    let zero = |name: &str| found.reals(name).iter().all(|&x| x == 0.0);
    let frames = trial.inputs[0].to_f64();
    let expected = |k: usize, at: usize| if k == 0 { frames[at] } else { 0.0 };
    let stages = trial.case.model.stages();
    let background = found.reals("background");
    let last = background.iter().enumerate().all(|(at, &b)| b == expected(stages - 1, at));
    let all = found.reals("backgrounds");
    let first = all.iter().enumerate().all(|(at, &b)| b == expected(at / frames.len(), at % frames.len()));
    Ok(Verdict::of(zero("target") && zero("targets") && zero("image") && last && first, || format!("{found:?}")))
}

/// Frames in the opposite order give results in the opposite order.
fn order_of_the_frames(trial: &Trial<Case>) -> Judged {
    let [n, ..] = trial.case.sizes;
    if !trial.finite() || n == 1 || trial.case.is_flat() {
        return Ok(Verdict::Idle);
    }
    let len = pixels(trial);
    let turned = |values: &[f64]| -> Vec<f64> {
        let stages = values.chunks(n * len);
        stages.flat_map(|stage| stage.chunks(len).rev().flatten().copied().collect::<Vec<_>>()).collect()
    };
    let first = trial.inputs.len() - trial.case.model.names().len();
    let mut inputs = trial.inputs.to_vec();
    for input in &mut inputs[..first] {
        let values = turned(&input.to_f64());
        let array = HostArray::from_fn(input.shape(), |i| values[i]).cast(trial.dtype);
        *input = array.map_err(|e| e.to_string())?;
    }
    let found = (trial.rerun)(trial.case, &inputs)?;
    let outputs = trial.outcome.outputs.iter().filter(|output| !["mask", "loss", "moments"].contains(&output.name));
    let mut expected: Vec<(&str, Vec<f64>)> =
        outputs.map(|output| (output.name, turned(&trial.outcome.reals(output.name)))).collect();
    expected.extend(["loss", "moments"].map(|name| (name, trial.outcome.reals(name))));
    Ok(same(trial, &expected, &found, slack(trial)))
}

/// Another last frame leaves the results of the first one as they are.
fn frames_are_independent(trial: &Trial<Case>) -> Judged {
    let [n, ..] = trial.case.sizes;
    if !trial.finite() || n == 1 {
        return Ok(Verdict::Idle);
    }
    let len = pixels(trial);
    let inputs = changed(trial, |at, i, x| if at == 0 && i / len == n - 1 { 0.3 - x } else { x })?;
    let found = (trial.rerun)(trial.case, &inputs)?;
    let first = |outcome: &Outcome<f64>, name: &str| outcome.reals(name)[..len].to_vec();
    let apart = ["background", "target", "image"]
        .map(|name| distance(&first(trial.outcome, name), &first(&found, name)))
        .into_iter()
        .fold(0.0, f64::max);
    Ok(Verdict::of(apart <= slack(trial), || format!("the first frame moves by {apart:e} in {:?}", trial.case)))
}

/// A batch norm with running moments is a factor and a shift: other moments with the same two give the same.
fn batch_norm_is_affine(trial: &Trial<Case>) -> Judged {
    if !trial.finite() || trial.case.twist == Twist::NoWeights {
        return Ok(Verdict::Idle);
    }
    let places = places(trial);
    let numbers: Vec<Vec<f64>> = trial.inputs.iter().map(HostArray::to_f64).collect();
    let values = |name: &str| places.iter().find(|(_, known)| known == name).map(|&(at, _)| &numbers[at]);
    let part = |name: &str, part: &str| {
        let (layer, own) = name.rsplit_once('.').unwrap_or((name, ""));
        (own == part)
            .then(|| [".weight", ".running_mean", ".running_var"].map(|part| values(&format!("{layer}{part}"))))
    };
    let inputs = changed(trial, |at, i, x| {
        let Some((_, name)) = places.iter().find(|(place, _)| *place == at) else { return x };
        let deviation = |var: f64| (var + EPSILON).sqrt();
        let scaled = |of: [Option<&Vec<f64>>; 3]| of.map(|values| values.map(|values| values[i]));
        match (part(name, "weight").map(scaled), part(name, "bias").map(scaled)) {
            // Means become 0 and variances 1: scale and shift make up for it.
            (Some([Some(gamma), Some(_), Some(var)]), _) => gamma / deviation(var) * deviation(1.0),
            (_, Some([Some(gamma), Some(mean), Some(var)])) => x - gamma * mean / deviation(var),
            _ if name.ends_with("running_mean") => 0.0,
            _ if name.ends_with("running_var") => 1.0,
            _ => x,
        }
    })?;
    let found = (trial.rerun)(trial.case, &inputs)?;
    let names = ["background", "target", "image", "backgrounds", "targets"];
    let expected = names.map(|name| (name, trial.outcome.reals(name)));
    // The folded scale and shift are rounded before they are used, in every norm.
    Ok(same(trial, &expected, &found, 4.0 * slack(trial)))
}

fn loss_is_between_its_bounds(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let (loss, image) = (trial.outcome.reals("loss")[0], trial.outcome.reals("image"));
    let squares: f64 = trial.inputs[0].to_f64().iter().zip(&image).map(|(x, y)| (x - y).powi(2)).sum();
    let iou = loss - 0.01 * squares / image.len() as f64;
    let room = slack(trial) * (1.0 + loss.abs());
    Ok(Verdict::of(iou >= -room && iou <= 1.0 + room, || format!("loss {loss}, of which {iou} is 1 - IoU")))
}

/// Of two batches that differ in their running moments alone, those afterwards differ nine tenths as much; variances
/// stay at least nine tenths of what they were.
fn moments_move_a_tenth(trial: &Trial<Case>) -> Judged {
    if !trial.finite() {
        return Ok(Verdict::Idle);
    }
    let places = places(trial);
    let is_moment = |at: usize| places.iter().any(|(place, name)| *place == at && name.contains(".running_"));
    let inputs = changed(trial, |at, _, x| if is_moment(at) { x + 0.5 } else { x })?;
    let found = (trial.rerun)(trial.case, &inputs)?;
    let before: Vec<f64> =
        places.iter().filter(|(at, _)| is_moment(*at)).flat_map(|(at, _)| trial.inputs[*at].to_f64()).collect();
    let moved: Vec<f64> =
        found.reals("moments").iter().zip(trial.outcome.reals("moments")).map(|(a, b)| a - b).collect();
    let names = ["loss", "background", "target", "image"];
    let expected = names.map(|name| (name, trial.outcome.reals(name)));
    if let Verdict::Broken(how) = same(trial, &expected, &found, 0.0) {
        return Ok(Verdict::Broken(format!("the running moments have a part in training: {how}")));
    }
    let size = before.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    // Where there is one value per channel, the variance stays.
    let fits = |x: f64| (x - 0.45).abs() <= slack(trial) * size || (x - 0.5).abs() <= slack(trial) * size;
    Ok(Verdict::of(moved.len() == before.len() && moved.iter().all(|&x| fits(x)), || format!("{moved:?}")))
}

/// Of one frame the attention's batch norms leave nothing but their shift: its convolutions have no effect.
fn attention_to_one_frame(trial: &Trial<Case>) -> Judged {
    let case = trial.case;
    if !trial.finite() || case.sizes[0] != 1 || !case.model.is_plus_plus() {
        return Ok(Verdict::Idle);
    }
    let convolutions: Vec<usize> = places(trial)
        .into_iter()
        .filter(|(at, name)| name.contains(".attn.") && trial.inputs[*at].shape().len() == 5)
        .map(|(at, _)| at)
        .collect();
    let inputs = changed(trial, |at, _, x| if convolutions.contains(&at) { 3.0 * x + 1.0 } else { x })?;
    let found = (trial.rerun)(case, &inputs)?;
    let expected = ["loss", "background", "target", "image"].map(|name| (name, trial.outcome.reals(name)));
    Ok(same(trial, &expected, &found, 0.0))
}
