//! Reverse mode of `scan`: the loop runs once and stacks what its derivative needs, a second loop on the tangents alone
//! reads it, and the transpose of that one runs backwards.

use std::panic::Location;

use crate::graph::{Graph, TensorType};
use crate::ops::{Role, Tangent};
use crate::trace::Tensor;
use crate::transform::{Split, add, inline, instantiate, pull, split, zeros};

use super::scan::{Scan, scan_at};
use super::{marked, scattered};

/// Where the second loop finds a residual of the first.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// The trip's number, which every loop has.
    Trip,
    /// The slice of an operand.
    Slice(usize),
    /// The same in every trip: computed once, outside.
    Invariant,
    /// Stacked by the first loop.
    Stack,
}

impl Scan {
    pub(super) fn linearize(
        &self,
        primals: &[Tensor],
        tangents: &[Tangent],
        active: &[bool],
        stacked: &[bool],
        location: &'static Location<'static>,
    ) -> Option<(Vec<Tensor>, Vec<Tangent>)> {
        let given: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let wanted = [active, stacked].concat();
        let Split { known, linear, residuals } =
            split(&self.body, &self.body_flags(active, &given), &wanted, location)?;
        let sources = self.sources(&known, residuals);
        let (carry, sliced, captures) = self.parts(primals);
        let (dcarry, dsliced, dcaptures) = self.parts(tangents);

        let first = with_residuals(&known, &sources, Source::Stack, true);
        let mut outputs =
            scan_at(location, self.length, self.reverse, carry.to_vec(), sliced.to_vec(), |i, values, slices| {
                let mut results = inline(&first, &[&[i], values.as_slice(), &slices, captures].concat());
                let stacks = results.split_off(self.carry);
                (results, stacks)
            })?;
        let mut stacks = outputs.split_off(wanted.len()).into_iter();
        let outside = with_residuals(&known, &sources, Source::Invariant, false);
        let nowhere = zeros(&TensorType::scalar(crate::DType::I32));
        let varying = vec![nowhere; 1 + self.carry + self.sliced];
        let mut invariants = inline(&outside, &[&varying, captures].concat()).into_iter();
        // What every trip of the second loop reads: a slice of the array, or the array as it is.
        let found: Vec<Option<Tensor>> = sources
            .iter()
            .map(|source| match source {
                Source::Trip => None,
                Source::Slice(at) => Some(sliced[*at].clone()),
                Source::Invariant => invariants.next(),
                Source::Stack => stacks.next(),
            })
            .collect();
        let is_sliced = |source: &Source| matches!(source, Source::Slice(_) | Source::Stack);
        let read = sources.iter().zip(&found).filter(|(source, _)| is_sliced(source)).filter_map(|(_, x)| x.clone());

        let live = dsliced.iter().flatten().count();
        let dinit = dcarry.iter().zip(carry).map(|(dx, x)| instantiate(dx.clone(), x.ty())).collect::<Vec<_>>();
        let dxs: Vec<Tensor> = dsliced.iter().flatten().cloned().chain(read).collect();
        let dout =
            scan_at(location, self.length, self.reverse, marked(&dinit, active), dxs, |i, dcarry, mut slices| {
                let mut read = slices.split_off(live).into_iter();
                let residuals = sources.iter().zip(&found).filter_map(|(source, outside)| match source {
                    Source::Trip => Some(i.clone()),
                    Source::Invariant => outside.clone(),
                    Source::Slice(_) | Source::Stack => read.next(),
                });
                let dcaptures = dcaptures.iter().flatten().cloned();
                let arguments: Vec<Tensor> =
                    dcarry.iter().cloned().chain(slices).chain(dcaptures).chain(residuals).collect();
                let mut results = inline(&linear, &arguments);
                let stacks = results.split_off(dcarry.len());
                (results, stacks)
            })?;
        Some((outputs, scattered(dout, &wanted)))
    }

    /// Where each residual of the body's known half comes from.
    fn sources(&self, known: &Graph, residuals: usize) -> Vec<Source> {
        let varying = 1 + self.carry + self.sliced;
        let mut varies = vec![false; known.value_count()];
        known.params()[..varying].iter().for_each(|p| varies[p.index()] = true);
        for node in known.nodes() {
            let any = node.inputs.iter().any(|i| varies[i.index()]);
            node.outputs.iter().for_each(|o| varies[o.index()] = any);
        }
        let first = known.results().len() - residuals;
        let source = |value| match known.params().iter().position(|&p| p == value) {
            Some(0) => Source::Trip,
            Some(at) if at > self.carry && at < varying => Source::Slice(at - 1 - self.carry),
            _ if varies[value.index()] => Source::Stack,
            _ => Source::Invariant,
        };
        known.results()[first..].iter().map(|&value| source(value)).collect()
    }

    /// The transpose: from the last trip to the first, the carry's cotangents are carried back, those of what every
    /// trip uses are summed up, and those of the slices are stacked.
    pub(super) fn pull(
        &self,
        inputs: &[Role],
        cotangents: &[Tangent],
        location: &'static Location<'static>,
    ) -> Vec<Tangent> {
        let (carry, sliced, captures) = self.parts(inputs);
        // A carry that starts from a known number starts from the zero that stood for a tangent: it is linear all the
        // same, and nobody asks for its cotangent.
        let linear_captures: Vec<&Role> = captures.iter().filter(|role| role.is_linear()).collect();
        let (ct_carry, ct_stacks) = cotangents.split_at(self.carry);
        let sums = linear_captures.iter().map(|role| zeros(role.ty()));
        let ct_init = ct_carry.iter().zip(carry).map(|(ct, role)| instantiate(ct.clone(), role.ty()));
        let init: Vec<Tensor> = sums.chain(ct_init).collect();
        let live: Vec<bool> = ct_stacks.iter().map(Option::is_some).collect();
        let read = sliced.iter().filter_map(Role::known).cloned();
        let xs: Vec<Tensor> = ct_stacks.iter().flatten().cloned().chain(read).collect();
        let out = scan_at(location, self.length, !self.reverse, init, xs, |i, mut sums, mut slices| {
            let ct_carry = sums.split_off(linear_captures.len());
            let mut read = slices.split_off(live.iter().filter(|live| **live).count()).into_iter();
            let own = sliced.iter().map(|role| if role.is_linear() { None } else { read.next() });
            let known: Vec<Option<Tensor>> = std::iter::once(Some(i))
                .chain(carry.iter().map(|_| None))
                .chain(own)
                .chain(captures.iter().map(|role| role.known().cloned()))
                .collect();
            let cts: Vec<Tangent> = ct_carry.into_iter().map(Some).chain(scattered(slices, &live)).collect();
            let found = pull(&self.body, &known, &cts);
            let (found_carry, found_sliced, found_captures) = self.parts(&found[1..]);
            let back = |(ct, role): (&Tangent, &Role)| instantiate(ct.clone(), role.ty());
            let added = found_captures.iter().zip(captures).filter(|(_, role)| role.is_linear());
            let sums = sums.into_iter().zip(added).filter_map(|(sum, (ct, _))| add(Some(sum), ct.clone()));
            let next: Vec<Tensor> = sums.chain(found_carry.iter().zip(carry).map(back)).collect();
            let rows = found_sliced.iter().zip(sliced).filter(|(_, role)| role.is_linear());
            let stacks = rows.map(|(ct, role)| instantiate(ct.clone(), &role.ty().with_shape(&role.ty().shape[1..])));
            (next, stacks.collect())
        });
        let Some(mut out) = out else { return vec![None; inputs.len()] };
        let mut found = out.split_off(linear_captures.len());
        let stacks = found.split_off(self.carry);
        let mask = |roles: &[Role]| roles.iter().map(Role::is_linear).collect::<Vec<_>>();
        let found = found.into_iter().zip(carry).map(|(ct, role)| role.is_linear().then_some(ct));
        found.chain(scattered(stacks, &mask(sliced))).chain(scattered(out, &mask(captures))).collect()
    }
}

/// The known half with the residuals of one source alone, after its own results or without them.
fn with_residuals(known: &Graph, sources: &[Source], source: Source, own: bool) -> Graph {
    let first = known.results().len() - sources.len();
    let residuals = known.results()[first..].iter().zip(sources).filter(|(_, s)| **s == source).map(|(&r, _)| r);
    let results = known.results()[..if own { first } else { 0 }].iter().copied().chain(residuals).collect();
    known.clone().with_results(results).without_dead_code()
}
