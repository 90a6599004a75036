//! The parameter types of a StableHLO module, read off its text.
//!
//! The C API has no call for them, and plugins check no more than sizes in bytes: without this, an `i32[4]` given for
//! an `f32[4]` would be taken for one.

use crate::dtype::DType;
use crate::graph::TensorType;

/// The types of the parameters of `@main`. `None` when the module is not in MLIR's pretty form or a parameter is not a
/// tensor with a static shape and an element type of ours.
pub(crate) fn parameters(module: &str) -> Option<Vec<TensorType>> {
    let start = ["func.func public @main(", "func.func @main("]
        .into_iter()
        .find_map(|head| module.find(head).map(|at| at + head.len()))?;
    top_level(&module[start..])?.into_iter().map(parameter).collect()
}

/// The comma-separated items up to the parenthesis that closes the list. Commas and parentheses inside strings and
/// nested brackets, as in `{mhlo.layout_mode = "{0,1}"}` or `loc("a, b")`, do not count.
fn top_level(list: &str) -> Option<Vec<&str>> {
    let (mut items, mut start, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, 0usize, false, false);
    for (at, c) in list.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            ')' if depth == 0 => {
                items.push(list[start..at].trim());
                items.retain(|item| !item.is_empty());
                return Some(items);
            }
            ',' if depth == 0 => {
                items.push(list[start..at].trim());
                start = at + 1;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The type in `%arg0: tensor<2x3xf32> {...} loc(...)`.
fn parameter(item: &str) -> Option<TensorType> {
    let (_, ty) = item.split_once(": tensor<")?;
    let (ty, _) = ty.split_once('>')?;
    let mut parts = ty.split('x').rev();
    let element = parts.next()?;
    let dtype = DType::ALL.into_iter().find(|dtype| dtype.mlir() == element)?;
    let shape: Option<Vec<usize>> = parts.rev().map(|size| size.parse().ok()).collect();
    Some(TensorType::new(dtype, shape?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(module: &str) -> Option<Vec<String>> {
        parameters(module).map(|types| types.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn types_are_read_past_attributes_and_locations() {
        let module = r#"module @m {
  func.func public @main(%a: tensor<2x3xf32> {a.b = true, mhlo.layout_mode = "{0,1}"} loc("a) b"("x\".rs":1:2)),
                         %b: tensor<f64>, %c: tensor<4xi1>,%d: tensor<0x2xui32>) -> (tensor<f64>) {
    func.call @main(%q: tensor<9xf32>)"#;
        assert_eq!(shown(module).unwrap(), ["f32[2,3]", "f64[]", "bool[4]", "u32[0,2]"]);
        assert_eq!(shown("func.func @main() -> tensor<f32>").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_understood_is_left_to_the_plugin() {
        assert_eq!(shown(r#""func.func"() <{sym_name = "main"}>"#), None);
        assert_eq!(shown("func.func @main(%a: tensor<?xf32>)"), None);
        assert_eq!(shown("func.func @main(%a: tensor<2xcomplex<f32>>)"), None);
        assert_eq!(shown("func.func @main(%a: tensor<2xf32>"), None);
        assert_eq!(shown("func.func @main(%a: !stablehlo.token)"), None);
    }
}
