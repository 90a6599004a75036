//! Charts as SVG: a histogram of error ratios, and errors against what should explain them.

use std::fmt::Write;

use tandem_verify::certificate::CaseRecord;

/// The drawing's size in its own units; on the page it is as wide as there is room.
const SIZE: (f64, f64) = (420.0, 240.0);

/// What is left of it for numbers and words: left, right, top, bottom.
const MARGIN: (f64, f64, f64, f64) = (44.0, 12.0, 26.0, 36.0);

/// How the ratios of the cases are distributed: a bar per doubling up to what is allowed.
pub fn histogram(records: &[CaseRecord], factor: f64) -> String {
    let ratios: Vec<f64> = records.iter().filter_map(|record| record.ratio).collect();
    // Below the first bound, between two, and beyond the last.
    let bounds: Vec<f64> = (-7..=0).map(|power| factor * 2f64.powi(power)).collect();
    let mut counts = vec![0usize; bounds.len() + 1];
    for ratio in &ratios {
        // NaN and infinity are beyond.
        counts[bounds.iter().position(|bound| ratio <= bound).unwrap_or(bounds.len())] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let plane = Plane::new((0.0, counts.len() as f64), (0.0, most as f64));
    let mut svg = plane.open(&format!("{} error ratios; allowed is {factor}", ratios.len()));
    for (at, &count) in counts.iter().enumerate() {
        let (x, y) = (plane.x(at as f64) + 1.5, plane.y(count as f64));
        let (width, height) = (plane.x(1.0) - plane.x(0.0) - 3.0, plane.y(0.0) - y);
        let range = match at {
            0 => format!("at most {}", short(bounds[0])),
            at if at == bounds.len() => format!("more than {}", short(factor)),
            at => format!("{} to {}", short(bounds[at - 1]), short(bounds[at])),
        };
        let class = if at == bounds.len() { "bad" } else { "bar" };
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
             <title>{range}: {count}</title></rect>"
        );
        if count > 0 {
            let _ =
                write!(svg, "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{count}</text>", x + width / 2.0, y - 3.0);
        }
    }
    for (at, bound) in bounds.iter().enumerate() {
        plane.tick_x(&mut svg, at as f64 + 1.0, &short(*bound), at % 2 == 1);
    }
    plane.close(svg, "largest error over the yardstick", "")
}

/// The cases' errors against their condition numbers, or their sizes where they have none.
pub fn errors(records: &[CaseRecord], unit_roundoff: f64) -> String {
    let conditioned = records.iter().any(|record| record.condition.is_some());
    let across = |record: &CaseRecord| match conditioned {
        true => record.condition,
        false => Some(record.size as f64),
    };
    let points: Vec<(f64, f64)> = records
        .iter()
        .filter_map(|record| Some((across(record)?, record.error?)))
        .filter(|(x, y)| x.is_finite() && *x > 0.0 && y.is_finite())
        .map(|(x, y)| (x.log10(), y))
        .collect();
    let named = if conditioned { "condition number" } else { "elements of the inputs" };
    // Errors of zero lie on the lowest line.
    let floor = unit_roundoff.log10().floor() - 2.0;
    let points: Vec<(f64, f64)> =
        points.into_iter().map(|(x, y)| (x, if y > 0.0 { y.log10().max(floor) } else { floor })).collect();
    let span = |values: &dyn Fn(&(f64, f64)) -> f64, low: f64| {
        let (least, most) = points.iter().map(values).fold((low, low), |(a, b), v| (a.min(v), b.max(v)));
        (least.floor(), most.ceil().max(least.floor() + 1.0))
    };
    let first = points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let wide = span(&|p| p.0, if first.is_finite() { first } else { 0.0 });
    let high = span(&|p| p.1, floor);
    let plane = Plane::new(wide, (high.0, high.1.max(unit_roundoff.log10() + 1.0)));
    let mut svg = plane.open(&format!("{} errors against the {named}", points.len()));
    let decades = (plane.high.1 - plane.high.0).ceil().max(1.0) as i32;
    for step in (0..=decades).step_by((decades as usize / 6).max(1)) {
        let decade = plane.high.0 + f64::from(step);
        let name = if decade <= floor { "0".into() } else { format!("1e{decade:.0}") };
        plane.tick_y(&mut svg, decade, &name);
    }
    let columns = (wide.1 - wide.0).max(1.0) as i32;
    for step in (0..=columns).step_by((columns as usize / 6).max(1)) {
        let decade = wide.0 + f64::from(step);
        plane.tick_x(&mut svg, decade, &format!("1e{decade:.0}"), true);
    }
    let unit = plane.y(unit_roundoff.log10());
    let (left, right) = (plane.x(wide.0), plane.x(wide.1));
    let _ = write!(
        svg,
        "<line class=\"unit\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{unit:.1}\" y2=\"{unit:.1}\"><title>unit roundoff</title></line>\
         <text class=\"note\" x=\"{:.1}\" y=\"{:.1}\">unit roundoff</text>",
        right - 2.0,
        unit - 3.0
    );
    for (x, y) in points {
        let _ = write!(svg, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"/>", plane.x(x), plane.y(y));
    }
    plane.close(svg, named, "largest relative error")
}

/// A plane with axes.
struct Plane {
    wide: (f64, f64),
    high: (f64, f64),
}

impl Plane {
    fn new(wide: (f64, f64), high: (f64, f64)) -> Self {
        Self { wide, high }
    }

    fn x(&self, value: f64) -> f64 {
        let (left, right, ..) = MARGIN;
        left + (value - self.wide.0) / (self.wide.1 - self.wide.0) * (SIZE.0 - left - right)
    }

    fn y(&self, value: f64) -> f64 {
        let (_, _, top, bottom) = MARGIN;
        SIZE.1 - bottom - (value - self.high.0) / (self.high.1 - self.high.0) * (SIZE.1 - top - bottom)
    }

    fn open(&self, label: &str) -> String {
        let (width, height) = SIZE;
        let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">");
        let (left, right, low) = (self.x(self.wide.0), self.x(self.wide.1), self.y(self.high.0));
        let _ =
            write!(svg, "<line class=\"axis\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{low:.1}\" y2=\"{low:.1}\"/>");
        svg
    }

    fn tick_x(&self, svg: &mut String, value: f64, name: &str, shown: bool) {
        let (x, low) = (self.x(value), self.y(self.high.0));
        let _ =
            write!(svg, "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{low:.1}\" y2=\"{:.1}\"/>", low + 4.0);
        if shown {
            let _ = write!(svg, "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{name}</text>", low + 15.0);
        }
    }

    fn tick_y(&self, svg: &mut String, value: f64, name: &str) {
        let (y, left, right) = (self.y(value), self.x(self.wide.0), self.x(self.wide.1));
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"tick-y\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
            left - 5.0,
            y + 3.5
        );
    }

    /// The drawing with the axes' names.
    fn close(&self, svg: String, across: &str, up: &str) -> String {
        let middle = (self.x(self.wide.0) + self.x(self.wide.1)) / 2.0;
        let up = match up {
            "" => String::new(),
            up => format!("<text class=\"name-y\" x=\"4\" y=\"10\">{up}</text>"),
        };
        format!("{svg}<text class=\"name\" x=\"{middle:.1}\" y=\"{:.1}\">{across}</text>{up}</svg>", SIZE.1 - 4.0)
    }
}

/// A number in few digits.
pub fn short(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        size if (0.01..10000.0).contains(&size) => {
            let text = format!("{x:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{x:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ratio: f64, error: f64) -> CaseRecord {
        CaseRecord { size: 12, condition: None, ratio: Some(ratio), error: Some(error) }
    }

    #[test]
    fn every_case_is_in_one_bar_or_is_one_dot() {
        let records = [record(0.0, 0.0), record(0.3, 1e-9), record(15.0, 1e-7), record(f64::INFINITY, f64::INFINITY)];
        let svg = histogram(&records, 16.0);
        assert!(
            svg.contains("<title>at most 0.125: 1</title>") && svg.contains("<title>more than 16: 1</title>"),
            "{svg}"
        );
        assert!(svg.contains("<title>0.25 to 0.5: 1</title>") && svg.contains("<title>8 to 16: 1</title>"), "{svg}");
        let svg = errors(&records, 6e-8);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("elements of the inputs") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn there_may_be_no_cases() {
        for svg in [histogram(&[], 16.0), errors(&[], 6e-8)] {
            assert!(svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (x, text) in [(0.0, "0"), (0.125, "0.125"), (16.0, "16"), (1e-9, "1.0e-9"), (123456.0, "1.2e5")] {
            assert_eq!(short(x), text);
        }
    }
}
