//! Algorithms from current research, each written twice: as a traced graph (`graph.rs`) and as an independent
//! reference on faer (`reference.rs`), with the laws that both must obey (`laws.rs`).

mod adam;
pub mod cur;
pub mod householder;
pub mod interaction;
pub mod pursuit;
pub mod retrieval;
pub mod rpca;
pub mod sae;
pub mod snmf;

pub use adam::Adam;
