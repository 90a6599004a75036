//! Convolutions, batch norms and activations, element by element as their definitions say.

use std::collections::HashMap;

use faer::Mat;
use tandem_compile::HostArray;
use tandem_verify::Real;

use super::super::Mode;
use super::numbers::{exp, tanh};

/// A batch of images: `images[n][channel]` is a matrix of rows and columns.
pub type Images<R> = Vec<Vec<Mat<R>>>;

/// An array of a stage: its shape and its numbers, row-major.
#[derive(Debug, Clone)]
pub struct Array<R> {
    pub shape: Vec<usize>,
    pub values: Vec<R>,
}

/// One stage's arrays, learned ones and running moments, by name.
#[derive(Debug, Clone)]
pub struct Arrays<R>(HashMap<String, Array<R>>);

impl<R: Real> Arrays<R> {
    /// Those of stage `k` out of arrays `[stages, ...]`.
    pub fn of_stage<'a>(named: impl Iterator<Item = (&'a String, &'a HostArray)>, k: usize) -> Self {
        let part = |array: &HostArray| {
            let shape = array.shape()[1..].to_vec();
            let len: usize = shape.iter().product();
            let values = array.to_f64()[k * len..(k + 1) * len].iter().map(|&x| R::from_f64(x)).collect();
            Array { shape, values }
        };
        Self(named.map(|(name, array)| (name.clone(), part(array))).collect())
    }

    pub fn get(&self, name: &str) -> &Array<R> {
        &self.0[name]
    }

    pub fn set(&mut self, name: String, values: Vec<R>) {
        self.0.entry(name).and_modify(|array| array.values = values);
    }
}

/// The convolution `name` with its bias.
pub fn conv<R: Real>(x: &Images<R>, arrays: &Arrays<R>, name: &str) -> Images<R> {
    let bias = &arrays.get(&format!("{name}.bias")).values;
    let mut y = correlation(x, arrays.get(&format!("{name}.weight")));
    for image in &mut y {
        for (plane, &b) in image.iter_mut().zip(bias) {
            *plane = map(plane, |v| v + b);
        }
    }
    y
}

/// y_o(r, s) = sum over i, a, b of x_i(r + a - A, s + b - B) w(o, i, a, b), where A and B are the middle of the kernel and x is
/// zero outside of the image.
pub fn correlation<R: Real>(x: &Images<R>, kernel: &Array<R>) -> Images<R> {
    let &[out, into, height, width] = kernel.shape.as_slice() else { return Vec::new() };
    let of_image = |image: &Vec<Mat<R>>| -> Vec<Mat<R>> {
        let (rows, columns) = (image[0].nrows(), image[0].ncols());
        let at = |o: usize, r: usize, s: usize| {
            let mut sum = R::zero();
            for (i, plane) in image.iter().enumerate().take(into) {
                for a in 0..height {
                    // The row r + a - A, where it is one of the image.
                    let Some(row) = (r + a).checked_sub(height / 2).filter(|&row| row < rows) else { continue };
                    for b in 0..width {
                        let Some(column) = (s + b).checked_sub(width / 2).filter(|&c| c < columns) else { continue };
                        sum = sum + plane[(row, column)] * kernel.values[((o * into + i) * height + a) * width + b];
                    }
                }
            }
            sum
        };
        (0..out).map(|o| Mat::from_fn(rows, columns, |r, s| at(o, r, s))).collect()
    };
    x.iter().map(of_image).collect()
}

/// The batch norm `name`; in training, its running moments are moved.
pub fn norm<R: Real>(x: &Images<R>, arrays: &mut Arrays<R>, name: &str, mode: Mode) -> Images<R> {
    let get = |part: &str| arrays.get(&format!("{name}.{part}")).values.clone();
    let (gamma, beta) = (get("weight"), get("bias"));
    let (mut means, mut variances) = (get("running_mean"), get("running_var"));
    if mode == Mode::Train {
        let (found, spread, unbiased) = moments(x);
        let tenth = R::from_f64(0.1);
        let moved = |old: &[R], new: &[R]| -> Vec<R> {
            old.iter().zip(new).map(|(&old, &new)| (R::one() - tenth) * old + tenth * new).collect()
        };
        let now = moved(&means, &found);
        arrays.set(format!("{name}.running_mean"), now);
        if let Some(unbiased) = unbiased {
            let now = moved(&variances, &unbiased);
            arrays.set(format!("{name}.running_var"), now);
        }
        (means, variances) = (found, spread);
    }
    let epsilon = R::from_f64(1e-5);
    let normed = |c: usize, v: R| gamma[c] * ((v - means[c]) / (variances[c] + epsilon).sqrt()) + beta[c];
    let of_image = |image: &Vec<Mat<R>>| image.iter().enumerate().map(|(c, p)| map(p, |v| normed(c, v))).collect();
    x.iter().map(of_image).collect()
}

/// Per channel the mean, the variance, and the unbiased variance, which a single number has not.
fn moments<R: Real>(x: &Images<R>) -> (Vec<R>, Vec<R>, Option<Vec<R>>) {
    let count = x.len() * x[0][0].nrows() * x[0][0].ncols();
    let over = |c: usize, f: &dyn Fn(R) -> R| {
        x.iter().flat_map(|image| numbers(&image[c])).fold(R::zero(), |sum, v| sum + f(v))
    };
    let divided = |sum: R, by: usize| sum / R::from_f64(by as f64);
    let channels = 0..x[0].len();
    let means: Vec<R> = channels.clone().map(|c| divided(over(c, &|v| v), count)).collect();
    let squares: Vec<R> = channels.map(|c| over(c, &|v| (v - means[c]) * (v - means[c]))).collect();
    let spread = squares.iter().map(|&s| divided(s, count)).collect();
    let unbiased = (count > 1).then(|| squares.iter().map(|&s| divided(s, count - 1)).collect());
    (means, spread, unbiased)
}

/// The elements of a plane, row by row.
pub fn numbers<R: Real>(plane: &Mat<R>) -> Vec<R> {
    (0..plane.nrows()).flat_map(|r| (0..plane.ncols()).map(move |s| plane[(r, s)])).collect()
}

/// `f` of every element of a plane.
pub fn map<R: Real>(plane: &Mat<R>, f: impl Fn(R) -> R) -> Mat<R> {
    Mat::from_fn(plane.nrows(), plane.ncols(), |r, s| f(plane[(r, s)]))
}

/// `f` of every element.
pub fn each<R: Real>(x: &Images<R>, f: impl Fn(R) -> R) -> Images<R> {
    x.iter().map(|image| image.iter().map(|plane| map(plane, &f)).collect()).collect()
}

/// `f` of the elements of two batches at the same place.
pub fn both<R: Real>(x: &Images<R>, y: &Images<R>, f: impl Fn(R, R) -> R) -> Images<R> {
    let planes = |(x, y): (&Mat<R>, &Mat<R>)| Mat::from_fn(x.nrows(), x.ncols(), |r, s| f(x[(r, s)], y[(r, s)]));
    let images = |(x, y): (&Vec<Mat<R>>, &Vec<Mat<R>>)| x.iter().zip(y).map(planes).collect();
    x.iter().zip(y).map(images).collect()
}

pub fn sum<R: Real>(x: &Images<R>, y: &Images<R>) -> Images<R> {
    both(x, y, |x, y| x + y)
}

pub fn difference<R: Real>(x: &Images<R>, y: &Images<R>) -> Images<R> {
    both(x, y, |x, y| x - y)
}

pub fn product<R: Real>(x: &Images<R>, y: &Images<R>) -> Images<R> {
    both(x, y, |x, y| x * y)
}

/// max(x, 0); NaN stays.
pub fn relu<R: Real>(x: &Images<R>) -> Images<R> {
    each(x, |v| if v < R::zero() { R::zero() } else { v })
}

/// x where positive, else x / 10.
pub fn leaky_relu<R: Real>(x: &Images<R>) -> Images<R> {
    let slope = R::from_f64(0.1);
    each(x, |v| if v > R::zero() { v } else { slope * v })
}

/// 1 / (1 + e^-x).
pub fn sigmoid<R: Real>(x: &Images<R>) -> Images<R> {
    each(x, logistic)
}

pub fn logistic<R: Real>(v: R) -> R {
    R::one() / (R::one() + exp(-v))
}

pub fn hyperbolic_tangent<R: Real>(x: &Images<R>) -> Images<R> {
    each(x, tanh)
}

/// The mean of every plane, as images of one point.
pub fn means<R: Real>(x: &Images<R>) -> Images<R> {
    let mean = |plane: &Mat<R>| {
        let all = numbers(plane);
        let count = R::from_f64(all.len() as f64);
        Mat::from_fn(1, 1, |_, _| all.iter().fold(R::zero(), |sum, &v| sum + v) / count)
    };
    x.iter().map(|image| image.iter().map(mean).collect()).collect()
}
