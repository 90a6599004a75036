//! A representative run of an algorithm: parameters and shapes, for whoever compiles it without anybody's data.

use tandem_compile::{DType, TensorType};

use super::{Algorithm, Elements, Settings};

/// Parameters and inputs that are typical of an algorithm, at a size at which its program has all its parts.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The parameters that differ from their defaults, as `--set` takes them: `["k=8"]`.
    pub settings: &'static [&'static str],
    /// The inputs that are given, by name, with their shapes.
    pub inputs: &'static [(&'static str, &'static [usize])],
}

impl Example {
    /// The settings, those of `others` (`KEY=VALUE`) going before the example's own, and the inputs' types in a run of
    /// precision `real`, `None` for an input that is not given.
    ///
    /// # Errors
    /// What is wrong with a setting, or an input of the example that `algorithm` does not have.
    pub fn resolve(
        &self,
        algorithm: &dyn Algorithm,
        others: &[String],
        real: DType,
    ) -> Result<(Settings, Vec<Option<TensorType>>), String> {
        let key = |assignment: &str| assignment.split('=').next().unwrap_or_default().to_owned();
        let own = self.settings.iter().filter(|own| !others.iter().any(|other| key(other) == key(own)));
        let assignments: Vec<String> = own.map(|own| (*own).to_owned()).chain(others.iter().cloned()).collect();
        let settings = Settings::parse(algorithm.parameters(), &assignments)?;
        let given: Vec<&str> = self.inputs.iter().map(|(name, _)| *name).collect();
        let inputs = algorithm.signature(&given).inputs;
        if let Some(name) = given.iter().find(|name| !inputs.iter().any(|input| input.name == **name)) {
            return Err(format!("the example of {} gives an input {name}, which it does not have", algorithm.name()));
        }
        let ty = |name: &str, dtype| {
            let (_, shape) = self.inputs.iter().find(|(given, _)| *given == name)?;
            Some(TensorType::new(dtype, *shape))
        };
        let mut types = Vec::new();
        for input in inputs {
            match input.elements {
                // The arrays of a file are the program's inputs.
                Elements::Tensors => {
                    types.extend(
                        algorithm.arrays_of_example().into_iter().map(|shape| Some(TensorType::new(real, shape))),
                    );
                }
                elements => types.push(ty(input.name, elements.dtype(real))),
            }
        }
        Ok((settings, types))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::algorithms;

    #[test]
    fn every_algorithm_has_an_example_that_poses_a_problem() {
        for algorithm in algorithms() {
            for real in [DType::F32, DType::F64] {
                let name = algorithm.name();
                let (settings, types) =
                    algorithm.example().resolve(*algorithm, &[], real).unwrap_or_else(|e| panic!("{name}: {e}"));
                let problem = algorithm.problem(&settings, &types).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(problem.needs_host(&types), None, "{name}");
            }
        }
    }

    #[test]
    fn other_settings_go_before_the_examples_own() {
        let [first, ..] = algorithms() else { panic!("there are algorithms") };
        let set = |text: &str| first.example().resolve(*first, &[text.to_owned()], DType::F32);
        assert_eq!(set("k=3").map(|(settings, _)| settings.size("k")), Ok(3));
        assert!(set("nothing=3").is_err());
    }
}
