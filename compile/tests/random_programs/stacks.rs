//! Many problems at once against each alone: of a program, or of its gradient.

use tandem_compile::{Graph, HostArray, Tensor, TensorType, vmap_axes};

use crate::checks::{Compiled, Subject, about, eval, run, traced};
use crate::judge::{Tally, Yardstick, judged};
use crate::noise::{part, stacked};
use crate::steps::apply;

/// How many problems at once.
const BATCH: usize = 3;

/// The problems: inputs of a program, some of them the same for all.
struct Problems {
    singles: Vec<Vec<HostArray>>,
    all: Vec<HostArray>,
    axes: Vec<Option<usize>>,
}

impl Problems {
    fn of(subject: &Subject<'_>) -> Self {
        let inputs = &subject.program.inputs;
        let same: Vec<bool> = (0..inputs.len()).map(|at| at > 0 && (subject.program.seed >> at) & 3 == 0).collect();
        let common = subject.arguments(0);
        let single = |problem| {
            let own = subject.arguments(problem).into_iter().zip(&common).zip(&same);
            own.map(|((own, common), &same)| if same { common.clone() } else { own }).collect()
        };
        let singles: Vec<Vec<HostArray>> = (0..BATCH as u64).map(single).collect();
        let whole = |at: usize| match same[at] {
            true => common[at].clone(),
            false => {
                let ty = inputs[at].with_shape([&[BATCH], inputs[at].shape.as_slice()].concat());
                stacked(&singles.iter().map(|x| &x[at]).collect::<Vec<_>>(), &ty)
            }
        };
        let all = (0..inputs.len()).map(whole).collect();
        Self { singles, all, axes: same.iter().map(|&same| (!same).then_some(0)).collect() }
    }
}

impl Subject<'_> {
    /// The program for many problems, and its gradient for many.
    pub fn stacks(&self) -> Result<Tally, String> {
        let problems = Problems::of(self);
        let compiled = self.compiled == Compiled::Stacks;
        let mut tally = mapped(&problems, "vmap", &self.graph, compiled, |x| apply(self.program, &x).results)?;
        let floats = self.floats();
        if self.whiles == 0 && !floats.is_empty() && self.smooth.contains(&true) {
            let gradient = self.gradient(&floats)?;
            tally += mapped(&problems, "vmap of grad", &gradient, false, |x| self.gradient_of(&x, &floats))?;
        }
        Ok(tally)
    }
}

/// The function `f`, whose graph for one problem is `alone`, on all problems at once.
fn mapped(
    problems: &Problems,
    what: &str,
    alone: &Graph,
    compiled: bool,
    f: impl Fn(Vec<Tensor>) -> Vec<Tensor>,
) -> Result<Tally, String> {
    let types: Vec<TensorType> = problems.all.iter().map(HostArray::ty).collect();
    let outs = vec![0; alone.results().len()];
    let graph = traced(&types, |x| vmap_axes(f, problems.axes.clone(), outs)(x))
        .map_err(|error| format!("{what}: {error}\n{alone}"))?;
    let mut found = vec![("interpreted", about(what, &graph, eval(&graph, &problems.all))?)];
    if compiled {
        found.push(("compiled", about(what, &graph, run(&graph, &problems.all))?));
    }
    let mut tally = Tally::default();
    for (problem, single) in problems.singles.iter().enumerate() {
        let yardstick = Yardstick::new(alone, single, 4, 2.0)?;
        for (how, results) in &found {
            let own: Vec<HostArray> = results.iter().map(|y| part(y, problem)).collect();
            let what = format!("{what}, {how}, problem {problem} against itself alone");
            tally += about(&what, &graph, judged(alone, single, &yardstick, &own))?;
        }
    }
    Ok(tally)
}
