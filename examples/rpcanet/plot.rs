//! How background and target come about, stage by stage, as a picture.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

/// A curve's colour.
fn colour(which: usize) -> RGBColor {
    [RGBColor(31, 119, 180), RGBColor(214, 90, 20), RGBColor(44, 140, 60), RGBColor(140, 60, 160)][which % 4]
}

/// Draws the singular values of the backgrounds of every stage (logarithmic, relative to the largest) and the share of the
/// pixels that a stage takes for targets.
pub fn draw(curves: &[Vec<f64>], shares: &[f64], truth: f64, path: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, (900, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(500);

    let count = curves.iter().map(Vec::len).max().unwrap_or(1);
    let relative = |curve: &[f64]| -> Vec<f64> {
        let largest = curve.first().copied().unwrap_or(1.0).max(f64::MIN_POSITIVE);
        curve.iter().map(|s| (s / largest).max(1e-6)).collect()
    };
    let least = curves.iter().flat_map(|curve| relative(curve)).fold(1.0, f64::min);
    let mut chart = ChartBuilder::on(&left)
        .caption("singular values of the background", ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(35)
        .y_label_area_size(60)
        .build_cartesian_2d(1..count.max(2), (least..1.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("index")
        .y_desc("relative to the largest")
        .y_label_formatter(&|y| format!("{y:.0e}"))
        .draw()?;
    for (stage, curve) in curves.iter().enumerate() {
        let points = relative(curve).into_iter().enumerate().map(|(i, s)| (i + 1, s));
        chart
            .draw_series(LineSeries::new(points, colour(stage).stroke_width(2)))?
            .label(format!("stage {}", stage + 1))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour(stage).stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK.mix(0.3)).draw()?;

    let most = shares.iter().copied().fold(truth, f64::max) * 115.0;
    let mut chart = ChartBuilder::on(&right)
        .caption("pixels taken for targets, %", ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(35)
        .y_label_area_size(45)
        .build_cartesian_2d(0.5..shares.len() as f64 + 0.5, 0.0..most)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_desc("stage")
        .x_label_formatter(&|x| if x.fract() == 0.0 { format!("{x}") } else { String::new() })
        .draw()?;
    let bars = shares.iter().enumerate().map(|(stage, share)| {
        let middle = stage as f64 + 1.0;
        Rectangle::new([(middle - 0.3, 0.0), (middle + 0.3, 100.0 * share)], colour(stage).filled())
    });
    chart.draw_series(bars)?;
    let ends = [(0.5, 100.0 * truth), (shares.len() as f64 + 0.5, 100.0 * truth)];
    chart
        .draw_series(LineSeries::new(ends, BLACK.stroke_width(1)))?
        .label("the masks")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK));
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK.mix(0.3)).draw()?;
    root.present()?;
    Ok(())
}
