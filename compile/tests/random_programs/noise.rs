//! What rounding alone may change: the interpreter once more, with a random error of a few units in the last place in
//! every result that is rounded, and in every use of one (a compiler may compute it anew for each, in another way).

use tandem_compile::ops::Kind;
use tandem_compile::{DType, Graph, HostArray, HostData, TensorType};

use crate::values::Stream;

/// A graph run with errors.
pub struct Noise {
    stream: Stream,
    errors: Errors,
}

/// What rounding does to a number.
enum Errors {
    /// Anything up to so many units in the last place.
    Random(f64),
    /// Its last three bits are rounded away: numbers that rounding alone keeps apart become equal.
    Coarse,
}

/// A value, and whether it depends on anything rounded.
#[derive(Clone)]
struct Number {
    array: HostArray,
    rounded: bool,
}

/// How an operation's results come about.
enum Rounding {
    /// From their operands without any error.
    None,
    /// Each is rounded.
    Results,
    /// Each comes from many operands, in an order that is the compiler's choice.
    Sums,
}

fn rounding(kind: Kind) -> Rounding {
    use Kind::{
        Abs, ArgMax, ArgMin, ArgWindow, Barrier, Bitcast, Broadcast, Ceil, Clamp, Concatenate, Constant, Convert,
        CumulativeMax, CumulativeMin, DynamicSlice, DynamicUpdateSlice, Eq, Floor, Gather, Ge, Gt, Iota, IsFinite, Le,
        Lt, Max, Min, Ne, Neg, Pad, ReduceMax, ReduceMin, Reshape, Reverse, RoundAway, RoundEven, Select, Sign, Slice,
        Sort, StopGradient, TopK, Transpose, WindowMax, WindowMin,
    };
    match kind {
        Neg | Abs | Sign | Floor | Ceil | RoundEven | RoundAway | IsFinite | Max | Min | Eq | Ne | Lt | Le | Gt
        | Ge | Select | Clamp | Constant | Iota | Convert | Bitcast | Reshape | Transpose | Broadcast | Slice
        | Concatenate | Reverse | Pad | DynamicSlice | DynamicUpdateSlice | Gather | ReduceMax | ReduceMin | ArgMax
        | ArgMin | CumulativeMax | CumulativeMin | WindowMax | WindowMin | ArgWindow | Sort | TopK | Barrier
        | StopGradient => Rounding::None,
        Kind::Add
        | Kind::Sub
        | Kind::Mul
        | Kind::Div
        | Kind::Rem
        | Kind::Sqrt
        | Kind::Exp
        | Kind::Expm1
        | Kind::Log
        | Kind::Log1p
        | Kind::Rsqrt
        | Kind::Cbrt
        | Kind::Sin
        | Kind::Cos
        | Kind::Tan
        | Kind::Tanh
        | Kind::Logistic
        | Kind::Erf
        | Kind::ErfInv
        | Kind::Pow
        | Kind::Atan2 => Rounding::Results,
        _ => Rounding::Sums,
    }
}

impl Noise {
    pub fn new(seed: u64, units: f64) -> Self {
        Self { stream: Stream::new(seed), errors: Errors::Random(units) }
    }

    /// Errors that make what is nearly equal equal, as the mean of equal numbers is in one order of summation and not in
    /// another.
    pub fn coarse() -> Self {
        Self { stream: Stream::new(0), errors: Errors::Coarse }
    }

    /// The results of a graph with errors in them.
    pub fn eval(&mut self, graph: &Graph, arguments: &[HostArray]) -> Vec<HostArray> {
        let arguments = arguments.iter().map(|array| Number { array: array.clone(), rounded: false }).collect();
        self.run(graph, arguments).into_iter().map(|number| number.array).collect()
    }

    fn run(&mut self, graph: &Graph, arguments: Vec<Number>) -> Vec<Number> {
        let mut values: Vec<Option<Number>> = vec![None; graph.value_count()];
        for (param, argument) in graph.params().iter().zip(arguments) {
            values[param.index()] = Some(argument);
        }
        for node in graph.nodes() {
            let inputs: Vec<Number> = node.inputs.iter().map(|i| values[i.index()].clone().unwrap()).collect();
            let types: Vec<TensorType> = node.outputs.iter().map(|&o| graph.ty(o).clone()).collect();
            let outputs = self.node(&*node.op, inputs, &types);
            for (output, value) in node.outputs.iter().zip(outputs) {
                values[output.index()] = Some(value);
            }
        }
        graph.results().iter().map(|r| values[r.index()].clone().unwrap()).collect()
    }

    fn node(
        &mut self,
        op: &dyn tandem_compile::ops::Primitive,
        inputs: Vec<Number>,
        types: &[TensorType],
    ) -> Vec<Number> {
        let graphs = op.subgraphs();
        match (op.kind(), graphs.as_slice()) {
            (Kind::Case, branches) => self.case(branches, inputs),
            (Kind::While, [cond, body]) => self.repeat(cond, body, inputs, types.len()),
            (Kind::Scan, [body]) => self.scan(body, &op.attributes(), inputs, types),
            (Kind::Checkpoint, [.., graph]) | (Kind::CustomJvp | Kind::CustomVjp, [graph]) => self.run(graph, inputs),
            _ => self.plain(op, inputs, types),
        }
    }

    fn plain(
        &mut self,
        op: &dyn tandem_compile::ops::Primitive,
        inputs: Vec<Number>,
        types: &[TensorType],
    ) -> Vec<Number> {
        let rounded = inputs.iter().any(|input| input.rounded);
        let rounding = rounding(op.kind());
        let used: Vec<HostArray> = inputs
            .into_iter()
            .map(|input| match rounding {
                Rounding::Sums => self.disturbed(input.array),
                Rounding::Results if input.rounded => self.disturbed(input.array),
                _ => input.array,
            })
            .collect();
        let outputs = op.eval(&used.iter().collect::<Vec<_>>(), types);
        // What becomes of an infinity there is a matter of the method.
        if matches!(op.kind(), Kind::Convolution | Kind::Cholesky | Kind::TriangularSolve)
            && used.iter().any(|x| x.first_nonfinite().is_some())
        {
            return types.iter().map(|ty| Number { array: self.unknown(ty), rounded: true }).collect();
        }
        let narrowed = op.kind() == Kind::Convert && rounded;
        let exact = !rounded && is_exact(op.kind(), &used, &outputs);
        outputs
            .into_iter()
            .map(|array| match rounding {
                Rounding::None if !narrowed => Number { array, rounded },
                _ if exact => Number { array, rounded },
                Rounding::Sums => {
                    let disturbed = self.disturbed(array);
                    Number { array: self.resigned(disturbed), rounded: true }
                }
                _ => Number { array: self.disturbed(array), rounded: true },
            })
            .collect()
    }

    fn case(&mut self, branches: &[&Graph], mut inputs: Vec<Number>) -> Vec<Number> {
        let last = branches.len() - 1;
        let which = usize::try_from(inputs[0].array.to_f64()[0] as i64).unwrap_or(last);
        let which = if inputs[0].array.to_f64()[0] < 0.0 { last } else { which.min(last) };
        let start: usize = 1 + branches[..which].iter().map(|branch| branch.params().len()).sum::<usize>();
        let count = branches[which].params().len();
        self.run(branches[which], inputs.drain(start..start + count).collect())
    }

    fn repeat(&mut self, cond: &Graph, body: &Graph, inputs: Vec<Number>, carry: usize) -> Vec<Number> {
        let (carry, captures) = inputs.split_at(carry);
        let (for_cond, for_body) = captures.split_at(cond.params().len() - carry.len());
        let mut carry = carry.to_vec();
        while self.run(cond, [&carry, for_cond].concat())[0].array.to_f64() == [1.0] {
            carry = self.run(body, [&carry, for_body].concat());
        }
        carry
    }

    fn scan(&mut self, body: &Graph, attributes: &str, inputs: Vec<Number>, types: &[TensorType]) -> Vec<Number> {
        let number = |name: &str| -> usize {
            let tail = attributes.split(name).nth(1).unwrap_or_default().trim_start();
            tail.split(',').next().and_then(|n| n.trim().parse().ok()).unwrap()
        };
        let (length, count, sliced) = (number("length"), number("carry"), number("sliced"));
        let (carry, rest) = inputs.split_at(count);
        let (xs, captures) = rest.split_at(sliced);
        let mut carry = carry.to_vec();
        let mut trips: Vec<Vec<Number>> = Vec::new();
        for trip in 0..length {
            let at = if attributes.ends_with("reverse") { length - 1 - trip } else { trip };
            let i = Number { array: HostArray::scalar(at as i32), rounded: false };
            let slices: Vec<Number> = xs.iter().map(|x| Number { array: part(&x.array, at), ..x.clone() }).collect();
            let mut results = self.run(body, [&[i], carry.as_slice(), &slices, captures].concat());
            trips.push(results.split_off(count));
            carry = results;
        }
        if attributes.ends_with("reverse") {
            trips.reverse();
        }
        let stacks = types[count..].iter().enumerate().map(|(y, ty)| Number {
            array: stacked(&trips.iter().map(|trip| &trip[y].array).collect::<Vec<_>>(), ty),
            rounded: trips.iter().any(|trip| trip[y].rounded),
        });
        carry.iter().cloned().chain(stacks).collect()
    }

    /// Anything: numbers of any size and either sign, which are near to nothing that is found, and not NaN, which could be it.
    fn unknown(&mut self, ty: &TensorType) -> HostArray {
        let mut any = || {
            let sign = if self.stream.unit() < 0.5 { -1.0 } else { 1.0 };
            sign * 10f64.powf(60.0 * self.stream.unit() - 30.0)
        };
        match ty.dtype {
            DType::F32 => HostArray::from_fn(ty.shape.clone(), |_| any() as f32),
            _ => HostArray::from_fn(ty.shape.clone(), |_| any()),
        }
    }

    /// Zeros of either sign: whether a sum of -0 is one depends on what it is added to first.
    fn resigned(&mut self, array: HostArray) -> HostArray {
        let mut sign = || if self.stream.unit() < 0.5 { -1.0 } else { 1.0 };
        match array.data() {
            HostData::F64(v) => {
                let values = v.iter().map(|&x| if x == 0.0 { 0f64.copysign(sign()) } else { x }).collect();
                HostArray::new(array.shape(), values).unwrap()
            }
            HostData::F32(v) => {
                let values = v.iter().map(|&x| if x == 0.0 { 0f32.copysign(sign() as f32) } else { x }).collect();
                HostArray::new(array.shape(), values).unwrap()
            }
            _ => array,
        }
    }

    fn disturbed(&mut self, array: HostArray) -> HostArray {
        let eps = 2.0 * array.dtype().unit_roundoff();
        let Self { stream, errors } = self;
        let mut moved = |x: f64, coarse: f64| match *errors {
            Errors::Random(units) => x * (1.0 + eps * units * (2.0 * stream.unit() - 1.0)),
            Errors::Coarse => coarse,
        };
        match array.data() {
            HostData::F64(v) => {
                let coarse = |x: f64| if x.is_finite() { f64::from_bits((x.to_bits() + 4) & !7) } else { x };
                HostArray::new(array.shape(), v.iter().map(|&x| moved(x, coarse(x))).collect()).unwrap()
            }
            HostData::F32(v) => {
                let coarse = |x: f32| if x.is_finite() { f32::from_bits((x.to_bits() + 4) & !7) } else { x };
                let values = v.iter().map(|&x| moved(x.into(), coarse(x).into()) as f32).collect();
                HostArray::new(array.shape(), values).unwrap()
            }
            _ => array,
        }
    }
}

/// Sums, differences and products that no rounding has changed.
fn is_exact(kind: Kind, inputs: &[HostArray], outputs: &[HostArray]) -> bool {
    if !matches!(kind, Kind::Add | Kind::Sub | Kind::Mul) || outputs[0].dtype() != DType::F32 && !small(inputs) {
        return !outputs[0].dtype().is_float();
    }
    let (x, y, z) = (inputs[0].to_f64(), inputs[1].to_f64(), outputs[0].to_f64());
    (0..z.len()).all(|i| match kind {
        Kind::Add => x[i] + y[i] == z[i],
        Kind::Sub => x[i] - y[i] == z[i],
        _ => x[i] * y[i] == z[i],
    })
}

/// Numbers whose sums and products f64 holds.
fn small(inputs: &[HostArray]) -> bool {
    inputs.iter().all(|input| input.to_f64().iter().all(|x| (x * 4.0).fract() == 0.0 && x.abs() < 1e6))
}

/// The slice at a position of the first axis.
pub fn part(array: &HostArray, at: usize) -> HostArray {
    let shape = &array.shape()[1..];
    let len: usize = shape.iter().product();
    macro_rules! cut {
        ($v:expr) => {
            HostArray::new(shape, $v[at * len..(at + 1) * len].to_vec()).unwrap()
        };
    }
    match array.data() {
        HostData::F64(v) => cut!(v),
        HostData::F32(v) => cut!(v),
        HostData::I64(v) => cut!(v),
        HostData::I32(v) => cut!(v),
        HostData::U32(v) => cut!(v),
        HostData::Bool(v) => cut!(v),
        _ => unreachable!("no program has halves"),
    }
}

/// Arrays side by side along a new first axis; `ty` is the whole's type.
pub fn stacked(parts: &[&HostArray], ty: &TensorType) -> HostArray {
    macro_rules! join {
        ($t:ty) => {
            HostArray::new(ty.shape.clone(), parts.iter().flat_map(|p| p.values::<$t>().unwrap().to_vec()).collect())
                .unwrap()
        };
    }
    match ty.dtype {
        DType::F64 => join!(f64),
        DType::F32 => join!(f32),
        DType::I64 => join!(i64),
        DType::I32 => join!(i32),
        DType::U32 => join!(u32),
        DType::Bool => join!(bool),
        _ => unreachable!("no program has halves"),
    }
}
