//! The list of all primitives: what an exhaustive `match` asks for, so that none can be added without a test record.

use std::fmt;

macro_rules! kinds {
    ($($kind:ident => $name:literal),* $(,)?) => {
        /// Which primitive an operation is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the primitives' own types say what each does")]
        pub enum Kind {
            $($kind),*
        }

        impl Kind {
            /// Every primitive.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// The name in printed graphs and messages.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name),*
                }
            }
        }
    };
}

kinds! {
    // Functions of one number.
    Neg => "neg",
    Abs => "abs",
    Sign => "sign",
    Not => "not",
    Exp => "exp",
    Expm1 => "expm1",
    Log => "log",
    Log1p => "log1p",
    Sqrt => "sqrt",
    Rsqrt => "rsqrt",
    Cbrt => "cbrt",
    Sin => "sin",
    Cos => "cos",
    Tan => "tan",
    Tanh => "tanh",
    Logistic => "logistic",
    Erf => "erf",
    ErfInv => "erf_inv",
    Floor => "floor",
    Ceil => "ceil",
    RoundEven => "round_even",
    RoundAway => "round_away",
    IsFinite => "is_finite",
    PopulationCount => "population_count",
    CountLeadingZeros => "count_leading_zeros",
    // Functions of two.
    Add => "add",
    Sub => "sub",
    Mul => "mul",
    Div => "div",
    Rem => "rem",
    Pow => "pow",
    Max => "maximum",
    Min => "minimum",
    Atan2 => "atan2",
    And => "and",
    Or => "or",
    Xor => "xor",
    ShiftLeft => "shift_left",
    ShiftRight => "shift_right",
    ShiftRightArithmetic => "shift_right_arithmetic",
    // Comparison and choice.
    Eq => "eq",
    Ne => "ne",
    Lt => "lt",
    Le => "le",
    Gt => "gt",
    Ge => "ge",
    Select => "select",
    Clamp => "clamp",
    // Constants and conversion.
    Constant => "constant",
    Iota => "iota",
    Convert => "convert",
    Bitcast => "bitcast",
    // Arrangement.
    Reshape => "reshape",
    Transpose => "transpose",
    Broadcast => "broadcast",
    Slice => "slice",
    Concatenate => "concatenate",
    Reverse => "reverse",
    Pad => "pad",
    // Positions computed by the program.
    DynamicSlice => "dynamic_slice",
    DynamicUpdateSlice => "dynamic_update_slice",
    Gather => "gather",
    Scatter => "scatter",
    // From many to one.
    ReduceSum => "sum",
    ReduceProduct => "product",
    ReduceMax => "max",
    ReduceMin => "min",
    ReduceAny => "any",
    ReduceAll => "all",
    Reduce => "reduce",
    ArgMax => "argmax",
    ArgMin => "argmin",
    CumulativeSum => "cumsum",
    CumulativeProduct => "cumprod",
    CumulativeMax => "cummax",
    CumulativeMin => "cummin",
    WindowSum => "window_sum",
    WindowMax => "window_max",
    WindowMin => "window_min",
    ArgWindow => "arg_window",
    // Order.
    Sort => "sort",
    TopK => "top_k",
    // Products and factors.
    DotGeneral => "dot",
    Convolution => "convolution",
    Cholesky => "cholesky",
    TriangularSolve => "triangular_solve",
    // Control.
    While => "while",
    Scan => "scan",
    Case => "cond",
    Barrier => "optimization_barrier",
    StopGradient => "stop_gradient",
    CustomJvp => "custom_jvp",
    CustomVjp => "custom_vjp",
    Checkpoint => "checkpoint",
    Kernel => "kernel",
    LinearSolve => "linear_solve",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
