//! Sums of products in Einstein's notation.

use std::panic::Location;

use crate::dtype::DType;
use crate::ops::constant::{iota, zeros};
use crate::ops::dot::DotGeneral;
use crate::trace::{Tensor, at, fail, void};

/// Sums of products, with one letter per axis: `einsum("ij,jk->ik", &[&a, &b])` is the matrix product.
///
/// Axes of one letter run together, also within one operand (`"ii->i"` is the diagonal), and have the same size. The
/// result has the axes named behind the arrow, in that order; everything else is summed over. Without an arrow it
/// has the letters that occur once, in alphabetical order. There may be any number of operands, all of one numeric
/// dtype; they are multiplied from left to right. Spaces do not matter; the ellipsis of numpy is not known here.
///
/// ```
/// use tandem_compile::einsum;
/// use tandem_compile::{Tensor, jit};
///
/// let trace = jit(|a: Tensor| einsum("ii", &[&a]));
/// let sum: f64 = trace.call(&ndarray::array![[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!(sum, 5.0);
/// # Ok::<(), tandem_compile::Error>(())
/// ```
#[track_caller]
pub fn einsum(formula: &str, operands: &[&Tensor]) -> Tensor {
    let location = Location::caller();
    match Formula::parse(formula, operands) {
        Ok(formula) => at(Some(location), || formula.apply(operands)),
        Err(message) => {
            fail(location, format!("einsum: {message}"));
            void(crate::TensorType::scalar(operands.first().map_or(DType::F32, |x| x.dtype())))
        }
    }
}

/// One letter per axis.
type Letters = Vec<char>;

struct Formula {
    inputs: Vec<Letters>,
    output: Letters,
}

impl Formula {
    fn parse(formula: &str, operands: &[&Tensor]) -> Result<Self, String> {
        let text: String = formula.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text.as_str(), None),
        };
        let inputs: Vec<Letters> = left.split(',').map(letters).collect::<Result<_, _>>()?;
        check_operands(&inputs, operands)?;
        let output = match right {
            Some(right) => letters(right)?,
            None => once(&inputs),
        };
        for (place, letter) in output.iter().enumerate() {
            if output[..place].contains(letter) {
                return Err(format!("index '{letter}' stands twice in the result"));
            }
            if !inputs.iter().any(|input| input.contains(letter)) {
                return Err(format!("index '{letter}' of the result is in no operand"));
            }
        }
        Ok(Self { inputs, output })
    }

    fn apply(&self, operands: &[&Tensor]) -> Tensor {
        let mut terms = self.inputs.iter().zip(operands).map(|(letters, x)| Term::new(letters, x)).enumerate();
        let Some((_, mut product)) = terms.next() else { return zeros([], DType::F32) };
        for (place, term) in terms {
            let wanted = |letter: &char| {
                self.output.contains(letter) || self.inputs[place + 1..].iter().any(|input| input.contains(letter))
            };
            product = product.times(term, wanted);
        }
        let product = product.summed(|letter| self.output.contains(letter));
        let order: Vec<usize> =
            self.output.iter().filter_map(|letter| product.letters.iter().position(|l| l == letter)).collect();
        if order.is_sorted() { product.tensor } else { product.tensor.transpose(order) }
    }
}

fn letters(text: &str) -> Result<Letters, String> {
    match text.chars().find(|c| !c.is_alphabetic()) {
        Some(other) => Err(format!("'{other}' is no index; letters, commas and one arrow -> expected")),
        None => Ok(text.chars().collect()),
    }
}

/// The letters that occur once, sorted.
fn once(inputs: &[Letters]) -> Letters {
    let all = inputs.concat();
    let mut found: Letters = all.iter().copied().filter(|c| all.iter().filter(|d| *d == c).count() == 1).collect();
    found.sort_unstable();
    found
}

fn check_operands(inputs: &[Letters], operands: &[&Tensor]) -> Result<(), String> {
    if inputs.len() != operands.len() {
        return Err(format!("the formula has {} operands, {} are given", inputs.len(), operands.len()));
    }
    let mut sizes: Vec<(char, usize, usize)> = Vec::new();
    for (place, (letters, x)) in inputs.iter().zip(operands).enumerate() {
        if x.dtype() == DType::Bool || x.dtype() != operands[0].dtype() {
            return Err(format!(
                "numbers of one dtype expected, operands 0 and {place} are {} and {}",
                operands[0].ty(),
                x.ty()
            ));
        }
        if letters.len() != x.ndim() {
            let letters: String = letters.iter().collect();
            return Err(format!("\"{letters}\" names {} axes, operand {place} is {}", letters.chars().count(), x.ty()));
        }
        for (&letter, &size) in letters.iter().zip(x.shape()) {
            match sizes.iter().find(|(known, ..)| *known == letter) {
                Some(&(_, other, wanted)) if wanted != size => {
                    let (left, right) = (operands[other].ty(), x.ty());
                    return Err(format!(
                        "index '{letter}' has size {wanted} in operand {other}, {left}, and size {size} in operand \
                         {place}, {right}"
                    ));
                }
                Some(_) => {}
                None => sizes.push((letter, place, size)),
            }
        }
    }
    Ok(())
}

/// A product of some operands, with the letter of each of its axes, which all differ.
struct Term {
    letters: Letters,
    tensor: Tensor,
}

impl Term {
    fn new(letters: &[char], x: &Tensor) -> Self {
        let mut term = Self { letters: letters.to_vec(), tensor: x.clone() };
        while let Some((first, second)) = term.repeated() {
            term = term.diagonal(first, second);
        }
        term
    }

    fn repeated(&self) -> Option<(usize, usize)> {
        let first = |second: usize| self.letters[..second].iter().position(|c| *c == self.letters[second]);
        (0..self.letters.len()).find_map(|second| first(second).map(|first| (first, second)))
    }

    /// The elements whose positions along two axes agree, as one axis.
    fn diagonal(mut self, first: usize, second: usize) -> Self {
        let (shape, dtype) = (self.tensor.shape(), self.tensor.dtype());
        let same = iota(shape, first, DType::I32).eq(iota(shape, second, DType::I32));
        let chosen = same.select(&self.tensor, zeros(shape, dtype));
        self.letters.remove(second);
        Self { letters: self.letters, tensor: chosen.sum_axes([second]) }
    }

    /// Summed over all letters but those that are wanted.
    fn summed(mut self, wanted: impl Fn(&char) -> bool) -> Self {
        let axes: Vec<usize> = (0..self.letters.len()).filter(|&axis| !wanted(&self.letters[axis])).collect();
        if axes.is_empty() {
            return self;
        }
        self.letters.retain(wanted);
        Self { letters: self.letters, tensor: self.tensor.sum_axes(axes) }
    }

    /// The product, in which only the wanted letters are left.
    fn times(self, other: Self, wanted: impl Fn(&char) -> bool) -> Self {
        let (left, right) = (self.letters.clone(), other.letters.clone());
        let x = self.summed(|letter| wanted(letter) || right.contains(letter));
        let y = other.summed(|letter| wanted(letter) || left.contains(letter));
        let common = |keep: bool| -> Letters {
            x.letters.iter().copied().filter(|c| y.letters.contains(c) && wanted(c) == keep).collect()
        };
        let (batch, contracting) = (common(true), common(false));
        let axes = |term: &Term, letters: &Letters| -> Vec<usize> {
            letters.iter().filter_map(|letter| term.letters.iter().position(|l| l == letter)).collect()
        };
        let op = DotGeneral {
            lhs_batch: axes(&x, &batch),
            rhs_batch: axes(&y, &batch),
            lhs_contracting: axes(&x, &contracting),
            rhs_contracting: axes(&y, &contracting),
            ..DotGeneral::default()
        };
        let free = |term: &Term, other: &Term| -> Letters {
            term.letters.iter().copied().filter(|c| !other.letters.contains(c)).collect()
        };
        let letters = [batch, free(&x, &y), free(&y, &x)].concat();
        Self { letters, tensor: x.tensor.dot_general(&y.tensor, op) }
    }
}
