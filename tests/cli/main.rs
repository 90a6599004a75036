//! The command line as other programs call it: every test starts the program itself.

mod aot;
mod around;
mod compare;
mod cur;
mod export;
mod garbage;
mod householder;
mod inputs;
mod interaction;
mod linalg;
mod lrpca;
mod pursuit;
mod refused;
mod resume;
mod rpca;
mod rpcanet;
mod rpcanet_train;
mod runs;
mod search;
mod status;
mod tool;
mod usage;
