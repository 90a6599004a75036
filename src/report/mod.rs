//! What `tandem compare` found as one HTML page: nothing in it is fetched from elsewhere, and it runs no script.

mod chart;

use std::fmt::Write;

use tandem_compile::DType;
use tandem_verify::Certificate;
use tandem_verify::certificate::{BitCount, Counterexample};

use chart::{errors, histogram, short};

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn page(certificates: &[Certificate]) -> String {
    let disagree = certificates.iter().filter(|c| !c.agreed).count();
    let verdict = match disagree {
        0 => "<p class=\"good\">Every algorithm agrees with its reference.</p>".to_owned(),
        n => format!("<p class=\"wrong\">{n} of {} checks found a disagreement.</p>", certificates.len()),
    };
    let sections: String = certificates.iter().enumerate().map(|(at, c)| section(at, c)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>tandem compare</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Device against reference</h1>\n{}{verdict}{}{}\
         <h2>One by one</h2>\n{sections}</body>\n</html>\n",
        about(certificates),
        table(certificates),
        slowest(certificates),
    )
}

/// What was compared where.
fn about(certificates: &[Certificate]) -> String {
    let Some(first) = certificates.first() else { return String::new() };
    let versions: Vec<String> = first.versions.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let seconds: f64 = certificates.iter().map(|c| c.times.seconds).sum();
    let compiling: f64 = certificates.iter().map(|c| c.times.compile_seconds).sum();
    format!(
        "<p class=\"soft\">Device {}, seed {}; {}. {seconds:.0} s in all, {compiling:.0} of them compiling.</p>\n\
         <p>Each random problem runs on the device, by an independent reference in the same precision, and by that reference in the \
         next higher one, the oracle. How far the reference is from the oracle is the yardstick; the ratio is the device's distance \
         in yardsticks. Cases within rounding of a discrete step are ties, judged by the laws alone.</p>\n",
        escape(&first.device),
        first.seed,
        escape(&versions.join(", ")),
    )
}

fn table(certificates: &[Certificate]) -> String {
    let head = [
        ("algorithm", ""),
        ("dtype", ""),
        ("verdict", ""),
        ("cases", "number"),
        ("worst ratio", "number"),
        ("allowed", "number"),
        ("laws held", "number"),
        ("ties", "number"),
        ("same bits again", "number"),
        ("permuted batch", "number"),
        ("programs", "number"),
        ("seconds", "number"),
    ];
    let mut rows = String::new();
    for (at, c) in certificates.iter().enumerate() {
        let verdict =
            if c.agreed { "<span class=\"good\">agrees</span>" } else { "<span class=\"wrong\">DISAGREES</span>" };
        let cells = [
            format!("<a href=\"#c{at}\">{}</a>", escape(&c.algorithm)),
            c.dtype.clone(),
            verdict.to_owned(),
            format!("{}+{}", c.cases, c.special_cases),
            short(c.worst_ratio()),
            short(c.factor),
            c.laws_held().to_string(),
            c.ties.to_string(),
            bits(Some(c.bits.repeated)),
            bits(c.bits.permuted),
            c.times.programs.to_string(),
            format!("{:.1}", c.times.seconds),
        ];
        rows += "<tr>";
        for (cell, (_, class)) in cells.iter().zip(head) {
            let _ = write!(rows, "<td class=\"{class}\">{cell}</td>");
        }
        rows += "</tr>\n";
    }
    let head: String = head.iter().map(|(name, class)| format!("<th class=\"{class}\">{name}</th>")).collect();
    format!("<div class=\"scroll\"><table>\n<tr>{head}</tr>\n{rows}</table></div>\n")
}

fn bits(count: Option<BitCount>) -> String {
    match count {
        Some(BitCount { cases, same }) if cases > 0 => format!("{same} of {cases}"),
        _ => String::new(),
    }
}

/// The cases that took longest, of all algorithms.
fn slowest(certificates: &[Certificate]) -> String {
    let mut all: Vec<_> = certificates.iter().flat_map(|c| c.times.slowest.iter().map(move |slow| (c, slow))).collect();
    all.sort_by(|x, y| y.1.seconds.total_cmp(&x.1.seconds));
    let rows: String = all
        .iter()
        .take(10)
        .map(|(c, slow)| {
            row(&[escape(&c.algorithm), c.dtype.clone(), format!("{:.2}", slow.seconds), escape(&slow.parameters)])
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("<h2>The slowest cases</h2>\n{}", listing(&["algorithm", "dtype", "seconds", "case"], &rows))
}

/// Everything about one certificate.
fn section(at: usize, c: &Certificate) -> String {
    let open = if c.agreed { "" } else { " open" };
    let unit = DType::from_name(&c.dtype).unwrap_or(DType::F32).unit_roundoff();
    let recorded = match c.cases as usize > c.records.len() {
        true => format!("<p class=\"soft\">The charts show the first {} of {} cases.</p>", c.records.len(), c.cases),
        false => String::new(),
    };
    let outputs = c.outputs.iter().map(|output| {
        row(&[escape(&output.name), short(output.worst_ratio), short(output.worst_error), output.cases.to_string()])
    });
    let laws = c.laws.iter().map(|law| {
        row(&[law.name.replace('_', " "), law.held.to_string(), law.idle.to_string(), law.broken.to_string()])
    });
    let worst = c
        .worst
        .iter()
        .map(|case| row(&[case.case.to_string(), escape(&case.output), short(case.ratio), escape(&case.parameters)]));
    format!(
        "<details id=\"c{at}\"{open}><summary>{} <span class=\"soft\">{}: worst ratio {} of {}</span></summary><div>\n{}\
         <div class=\"charts\"><figure>{}</figure><figure>{}</figure></div>\n{recorded}\
         <h3>Outputs</h3>\n{}<h3>Laws</h3>\n{}<h3>Nearest to disagreement</h3>\n{}</div></details>\n",
        escape(&c.algorithm),
        c.dtype,
        short(c.worst_ratio()),
        short(c.factor),
        c.counterexample.as_ref().map_or(String::new(), failure),
        histogram(&c.records, c.factor),
        errors(&c.records, unit),
        listing(&["output", "worst ratio", "worst error", "compared"], &outputs.collect::<String>()),
        listing(&["law", "held", "said nothing", "broken"], &laws.collect::<String>()),
        listing(&["case", "output", "ratio", "parameters"], &worst.collect::<String>()),
    )
}

fn failure(found: &Counterexample) -> String {
    let program = |name: &str, text: &Option<String>| match text {
        Some(text) => format!("<h3>{name}</h3>\n<pre>{}</pre>\n", escape(text)),
        None => String::new(),
    };
    format!(
        "<p class=\"wrong\">{}</p>\n<p>for {}</p>\n{}{}",
        escape(&found.reason),
        escape(&found.case),
        program("As Rust", &found.rust),
        program("As StableHLO (counterexample.mlir)", &found.stablehlo),
    )
}

/// A row of cells, of which the last may be long.
fn row(cells: &[String]) -> String {
    let last = cells.len() - 1;
    let cell = |(at, cell): (usize, &String)| match at == last {
        true => format!("<td class=\"wide\">{cell}</td>"),
        false => format!("<td>{cell}</td>"),
    };
    format!("<tr>{}</tr>\n", cells.iter().enumerate().map(cell).collect::<String>())
}

fn listing(head: &[&str], rows: &str) -> String {
    let head: String = head.iter().map(|name| format!("<th>{name}</th>")).collect();
    format!("<div class=\"scroll\"><table>\n<tr>{head}</tr>\n{rows}</table></div>\n")
}

/// Text that means nothing to HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
