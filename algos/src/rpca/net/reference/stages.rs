//! The stages, by the names that the authors give to their layers.

use faer::Mat;
use tandem_verify::Real;

use super::super::Mode;
use super::layers::{
    Array, Arrays, Images, both, conv, correlation, difference, each, hyperbolic_tangent, leaky_relu, map, means, norm,
    product, relu, sigmoid, sum,
};

/// What runs from stage to stage.
pub struct Running<R> {
    pub image: Images<R>,
    pub target: Images<R>,
    /// h and the cell, from the second stage on.
    pub memory: Option<[Images<R>; 2]>,
}

/// A stage of RPCANet, or of RPCANet++ where `memory` is meant to run: the background, and what runs on.
pub fn stage<R: Real>(
    plus_plus: bool,
    arrays: &mut Arrays<R>,
    mode: Mode,
    from: Running<R>,
) -> (Images<R>, Running<R>) {
    let Running { image, target, memory } = from;
    let x = difference(&image, &target);
    let (change, memory) = match plus_plus {
        false => (normed(&x, arrays, "lowrank.convs", mode), None),
        true => {
            let (change, memory) = remembered(&x, arrays, memory, mode);
            (change, Some(memory))
        }
    };
    let background = sum(&x, &change);
    let x = difference(&sum(&target, &image), &background);
    let seen = if plus_plus { sum(&x, &contrast_prior(&x, arrays, mode)) } else { x.clone() };
    let epsilon = arrays.get("sparse.epsilon").values[0];
    let target = both(&x, &shrunk(&seen, arrays), |x, f| x - epsilon * f);
    let image = normed(&sum(&background, &target), arrays, "merge.mapping", mode);
    (background, Running { image, target, memory })
}

/// Four times convolution, batch norm and ReLU, and a convolution.
fn normed<R: Real>(x: &Images<R>, arrays: &mut Arrays<R>, name: &str, mode: Mode) -> Images<R> {
    let mut y = x.clone();
    for at in [0, 3, 6, 9] {
        y = conv(&y, arrays, &format!("{name}.{at}"));
        y = relu(&norm(&y, arrays, &format!("{name}.{}", at + 1), mode));
    }
    conv(&y, arrays, &format!("{name}.12"))
}

/// Seven times convolution and ReLU, and a convolution.
fn shrunk<R: Real>(x: &Images<R>, arrays: &Arrays<R>) -> Images<R> {
    let mut y = x.clone();
    for at in [0, 2, 4, 6, 8, 10, 12] {
        y = relu(&conv(&y, arrays, &format!("sparse.convs.{at}")));
    }
    conv(&y, arrays, "sparse.convs.14")
}

/// f_B with residual blocks around a memory.
fn remembered<R: Real>(
    x: &Images<R>,
    arrays: &mut Arrays<R>,
    memory: Option<[Images<R>; 2]>,
    mode: Mode,
) -> (Images<R>, [Images<R>; 2]) {
    let y = conv(x, arrays, "lowrank.conv1_C.0");
    let y = relu(&norm(&y, arrays, "lowrank.conv1_C.1", mode));
    let y = residual(&y, arrays, "lowrank.RB_1");
    let [h, cell] = long_short_term(&y, arrays, memory);
    let y = residual(&h, arrays, "lowrank.RB_2");
    (conv(&y, arrays, "lowrank.convC_1"), [h, cell])
}

fn residual<R: Real>(y: &Images<R>, arrays: &Arrays<R>, name: &str) -> Images<R> {
    let inner = relu(&conv(y, arrays, &format!("{name}.conv1")));
    sum(y, &conv(&inner, arrays, &format!("{name}.conv2")))
}

/// h and the cell after an input. The first time there is no memory: then the cell is i j and h = o cell.
fn long_short_term<R: Real>(x: &Images<R>, arrays: &Arrays<R>, memory: Option<[Images<R>; 2]>) -> [Images<R>; 2] {
    let of = |letters: &str, y: &Images<R>| conv(y, arrays, &format!("lowrank.ConvLSTM.conv_{letters}"));
    match memory {
        None => {
            let (i, o) = (sigmoid(&of("xi", x)), sigmoid(&of("xo", x)));
            let cell = product(&i, &hyperbolic_tangent(&of("xj", x)));
            [product(&o, &cell), cell]
        }
        Some([h, cell]) => {
            let gate = |name: &str| sum(&of(&format!("x{name}"), x), &of(&format!("h{name}"), &h));
            let (f, i, o) = (sigmoid(&gate("f")), sigmoid(&gate("i")), sigmoid(&gate("o")));
            let cell = sum(&product(&f, &cell), &product(&i, &hyperbolic_tangent(&gate("j"))));
            [product(&o, &hyperbolic_tangent(&cell)), cell]
        }
    }
}

/// w: what a 17 x 17 convolution finds beyond what it would find in a constant.
fn contrast_prior<R: Real>(x: &Images<R>, arrays: &mut Arrays<R>, mode: Mode) -> Images<R> {
    let z = relu(&conv(x, arrays, "sparse.contrast.0"));
    let theta = attention(&z, arrays, mode);
    let kernel = arrays.get("sparse.contrast.2.conv.weight");
    let (centre, surround) = (correlation(&z, &taps_summed(kernel)), correlation(&z, kernel));
    let weighted: Images<R> = centre
        .iter()
        .zip(&theta)
        .map(|(planes, theta)| planes.iter().zip(theta).map(|(p, theta)| map(p, |v| theta[(0, 0)] * v)).collect())
        .collect();
    let y = norm(&difference(&weighted, &surround), arrays, "sparse.contrast.3", mode);
    conv(&leaky_relu(&y), arrays, "sparse.contrast.5")
}

/// theta, images of one point.
fn attention<R: Real>(z: &Images<R>, arrays: &mut Arrays<R>, mode: Mode) -> Images<R> {
    let name = |at: usize| format!("sparse.contrast.2.attn.avg_channel.{at}");
    let y = conv(&means(z), arrays, &name(1));
    let y = relu(&norm(&y, arrays, &name(2), mode));
    let y = conv(&y, arrays, &name(4));
    sigmoid(&norm(&y, arrays, &name(5), mode))
}

/// The kernel whose only tap is the sum of all.
fn taps_summed<R: Real>(kernel: &Array<R>) -> Array<R> {
    let taps = kernel.shape[2] * kernel.shape[3];
    let values = kernel.values.chunks(taps).map(|taps| taps.iter().fold(R::zero(), |sum, &w| sum + w)).collect();
    Array { shape: vec![kernel.shape[0], kernel.shape[1], 1, 1], values }
}

/// Images of one channel out of numbers `[n, h, w]`.
pub fn images<R: Real>(values: &[f64], [n, h, w]: [usize; 3]) -> Images<R> {
    let plane = |n: usize| Mat::from_fn(h, w, |r, s| R::from_f64(values[(n * h + r) * w + s]));
    (0..n).map(|n| vec![plane(n)]).collect()
}

/// Images of zeros of the same sizes.
pub fn nothing<R: Real>(like: &Images<R>) -> Images<R> {
    each(like, |_| R::zero())
}
