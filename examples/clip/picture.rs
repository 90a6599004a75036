//! Frames as pictures.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use tandem::Error;

/// Frames of grey levels from 0 to 1, `[n, h, w]`.
#[derive(Clone)]
pub struct Film {
    pub values: Vec<f64>,
    pub shape: [usize; 3],
}

/// Grey levels of the animation: few, for they are what its size depends on.
const LEVELS: usize = 48;

impl Film {
    /// The grey level of a pixel from 0 to 1.
    fn at(&self, frame: usize, row: usize, column: usize) -> f64 {
        let [_, h, w] = self.shape;
        self.values[(frame * h + row) * w + column].clamp(0.0, 1.0)
    }

    /// All frames beside and below each other, `columns` in a row, as one PNG.
    pub fn sheet(&self, columns: usize, path: &Path) -> tandem::Result<()> {
        let [n, h, w] = self.shape;
        let rows = n.div_ceil(columns);
        let (height, width) = (rows * h, columns * w);
        let grey = |at: usize| {
            let (row, column) = (at / width, at % width);
            let frame = row / h * columns + column / w;
            if frame < n { (self.at(frame, row % h, column % w) * 255.0).round() as u8 } else { 0 }
        };
        let pixels: Vec<u8> = (0..height * width).map(grey).collect();
        let file = File::create(path).map_err(|e| told(path, e))?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), width as u32, height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().map_err(|e| told(path, e))?;
        writer.write_image_data(&pixels).map_err(|e| told(path, e))
    }
}

/// The films side by side as an animation, enlarged; every `step`-th frame.
pub fn animation(films: &[&Film], enlarged: usize, step: usize, path: &Path) -> tandem::Result<()> {
    let Some([n, h, w]) = films.first().map(|film| film.shape) else { return Ok(()) };
    let (height, width) = (h * enlarged, w * enlarged * films.len());
    let palette: Vec<u8> = (0..LEVELS).flat_map(|level| [(level * 255 / (LEVELS - 1)) as u8; 3]).collect();
    let file = File::create(path).map_err(|e| told(path, e))?;
    let mut encoder =
        gif::Encoder::new(BufWriter::new(file), width as u16, height as u16, &palette).map_err(|e| told(path, e))?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(|e| told(path, e))?;
    for frame in (0..n).step_by(step) {
        let level = |at: usize| {
            let (row, column) = (at / width / enlarged, at % width / enlarged);
            (films[column / w].at(frame, row, column % w) * (LEVELS - 1) as f64).round() as u8
        };
        let buffer: Vec<u8> = (0..height * width).map(level).collect();
        let mut picture = gif::Frame::from_indexed_pixels(width as u16, height as u16, buffer, None);
        // In hundredths of a second.
        picture.delay = 8;
        encoder.write_frame(&picture).map_err(|e| told(path, e))?;
    }
    Ok(())
}

fn told(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::Host(format!("{}: {error}", path.display()))
}
