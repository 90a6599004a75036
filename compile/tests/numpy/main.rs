//! The functions after numpy's, against plain loops.

mod einsum;
