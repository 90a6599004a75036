//! Sparse matrices of sprs: as an argument four arrays, the entries `[nnz]`, their rows and columns (integers `[nnz]`) and an
//! array of shape `[m, n, 0]` without elements, which takes the shape along. `tandem_linalg::sparse::Sparse` is made of these.

use std::ops::{Add, Deref};

use sprs::{CsMat, CsMatBase, SpIndex, TriMat, TriMatBase};

use super::{Arguments, Input, Results, Takes, expect};
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::host::{HostArray, HostData};
use crate::pjrt::Buffer;

/// Positions as i32, or as i64 where a side of the matrix is too long for that.
fn positions(at: Vec<usize>, (m, n): (usize, usize)) -> HostArray {
    match i32::try_from(m.max(n)) {
        Ok(_) => HostArray::from_fn([at.len()], |i| at[i] as i32),
        Err(_) => HostArray::from_fn([at.len()], |i| at[i] as i64),
    }
}

fn extent((m, n): (usize, usize)) -> HostArray {
    HostArray::from_data([m, n, 0], HostData::I32(Vec::new()))
}

impl<'a, T, I, P, PS, IS, VS> Arguments<'a> for &'a CsMatBase<T, I, PS, IS, VS, P>
where
    T: Element,
    I: SpIndex,
    P: SpIndex,
    PS: Deref<Target = [P]>,
    IS: Deref<Target = [I]>,
    VS: Deref<Target = [T]>,
{
    fn inputs(self) -> Vec<Input<'a>> {
        let sides = self.shape();
        let starts = self.indptr();
        let outer = (0..self.outer_dims()).flat_map(|i| std::iter::repeat_n(i, starts.outer_inds_sz(i).len()));
        let inner = self.indices().iter().map(|i| i.index());
        let (outer, inner) = (positions(outer.collect(), sides), positions(inner.collect(), sides));
        let (rows, columns) = if self.is_csr() { (outer, inner) } else { (inner, outer) };
        vec![self.data().input(), Input::Owned(rows), Input::Owned(columns), Input::Owned(extent(sides))]
    }
}

impl<'a, T, I, IS, VS> Arguments<'a> for &'a TriMatBase<IS, VS>
where
    T: Element,
    I: SpIndex,
    IS: Deref<Target = [I]>,
    VS: Deref<Target = [T]>,
{
    fn inputs(self) -> Vec<Input<'a>> {
        let sides = self.shape();
        let list = |at: &[I]| Input::Owned(positions(at.iter().map(|i| i.index()).collect(), sides));
        vec![self.data().input(), list(self.row_inds()), list(self.col_inds()), Input::Owned(extent(sides))]
    }
}

/// From the four arrays that a sparse matrix is as an argument; entries at the same place are added.
impl<T: Element + Add<Output = T>> Results for CsMat<T> {
    fn from_buffers(buffers: Vec<Buffer>) -> Result<Self> {
        let [values, rows, columns, extent] = expect(buffers)?;
        let &[m, n, 0] = extent.ty().shape.as_slice() else {
            return Err(Error::Host(format!("{} is not the extent [m, n, 0] of a sparse matrix", extent.ty())));
        };
        let values = values.to_host()?.into_values::<T>()?;
        let (rows, columns) = (inside(&rows, values.len(), m)?, inside(&columns, values.len(), n)?);
        Ok(TriMat::from_triplets((m, n), rows, columns, values).to_csr())
    }
}

/// As many positions as there are entries, each below `size`.
fn inside(positions: &Buffer, nnz: usize, size: usize) -> Result<Vec<usize>> {
    let found = positions.to_host()?.cast(DType::I64)?.into_values::<i64>()?;
    if positions.ty().shape != [nnz] {
        return Err(Error::Host(format!("{nnz} entries of a sparse matrix have positions {}", positions.ty())));
    }
    let place = |at: i64| usize::try_from(at).ok().filter(|&at| at < size);
    let outside = |at: i64| Error::Host(format!("an entry of a sparse matrix is at {at}, outside of 0..{size}"));
    found.into_iter().map(|at| place(at).ok_or_else(|| outside(at))).collect()
}
