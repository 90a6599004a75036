//! Derivatives where there is a choice to make: what JAX gives, unless a line says otherwise.

mod elementwise;
mod reductions;
