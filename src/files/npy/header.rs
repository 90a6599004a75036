//! The header of a `.npy` file: a magic number, a version and a Python dictionary in text (NEP 1).

use std::io::{self, Read};

use crate::files::elements::{Code, Layout, READ};
use crate::files::{Reason, io_reason};

pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The longest header that is believed; numpy's own are under 200 bytes.
const LONGEST: u32 = 1 << 16;

/// More axes than numpy itself can make.
const MOST_AXES: usize = 64;

/// What the header says about the bytes after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) code: Code,
    pub(super) layout: Layout,
    pub(super) shape: Vec<usize>,
}

impl Header {
    /// Reads up to the first byte of data; gives the header and its length in bytes.
    pub(super) fn read(reader: &mut impl Read) -> Result<(Self, u64), Reason> {
        let mut start = [0; 8];
        let got = fill(reader, &mut start)?;
        check_magic(&start[..got])?;
        let (text_length, prefix) = match start[6] {
            1 => (u32::from(u16::from_le_bytes(bytes(reader)?)), 10),
            2 | 3 => (u32::from_le_bytes(bytes(reader)?), 12),
            version => {
                return Err(format!("the .npy format has versions 1 to 3, this file says {version}: it is damaged"));
            }
        };
        if text_length > LONGEST {
            return Err(format!("the .npy header claims {text_length} bytes: the file is damaged"));
        }
        let mut text = vec![0; text_length as usize];
        if fill(reader, &mut text)? < text.len() {
            return Err(cut_short());
        }
        let text = std::str::from_utf8(&text).map_err(|_| damaged("text"))?;
        Ok((Self::parse(text)?, u64::from(text_length) + prefix))
    }

    fn parse(text: &str) -> Result<Self, Reason> {
        let mut cursor = Cursor(text);
        let (mut element, mut fortran, mut shape) = (None, None, None);
        cursor.expect('{')?;
        while !cursor.eat('}') {
            let key = cursor.string()?;
            cursor.expect(':')?;
            match key {
                "descr" => element = Some(cursor.element()?),
                "fortran_order" => fortran = Some(cursor.boolean()?),
                "shape" => shape = Some(cursor.shape()?),
                _ => return Err(damaged("'descr', 'fortran_order' or 'shape'")),
            }
            if !cursor.eat(',') {
                cursor.expect('}')?;
                break;
            }
        }
        match (element, fortran, shape, cursor.0.trim()) {
            (Some((code, big_endian)), Some(fortran), Some(shape), "") => {
                Ok(Self { code, layout: Layout { big_endian, fortran }, shape })
            }
            _ => Err(damaged("'descr', 'fortran_order' and 'shape', and nothing else")),
        }
    }
}

pub(super) fn cut_short() -> Reason {
    "the file ends inside its .npy header: it was cut short".into()
}

fn damaged(expected: &str) -> Reason {
    format!("the .npy header is damaged: {expected} expected; numpy.save writes a whole one")
}

fn check_magic(start: &[u8]) -> Result<(), Reason> {
    match start.get(..6) {
        Some(magic) if magic == MAGIC && start.len() == 8 => Ok(()),
        _ if MAGIC.starts_with(start) || start.starts_with(MAGIC) => Err(cut_short()),
        _ if start.starts_with(b"PK") => Err("this is a zip archive, not a .npy file; name it X.npz:KEY".into()),
        _ if start.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => {
            Err("this is a text file, not a .npy file; numpy.save(file, numpy.loadtxt(text)) writes one".into())
        }
        _ => Err("this is no .npy file: it does not begin as numpy.save begins one".into()),
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], Reason> {
    let mut bytes = [0; N];
    match fill(reader, &mut bytes)? {
        got if got == N => Ok(bytes),
        _ => Err(cut_short()),
    }
}

/// As much of `buffer` as the reader has.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Reason> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(io_reason(&e)),
        }
    }
    Ok(filled)
}

/// The part of the dictionary's text that is still to be read.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn eat(&mut self, c: char) -> bool {
        let rest = self.0.trim_start();
        self.0 = rest.strip_prefix(c).unwrap_or(rest);
        self.0.len() < rest.len()
    }

    fn expect(&mut self, c: char) -> Result<(), Reason> {
        if self.eat(c) { Ok(()) } else { Err(damaged(&format!("`{c}`"))) }
    }

    fn string(&mut self) -> Result<&'a str, Reason> {
        let quote = if self.eat('\'') {
            '\''
        } else {
            self.expect('"')?;
            '"'
        };
        let (string, rest) = self.0.split_once(quote).ok_or_else(|| damaged("a closing quote"))?;
        self.0 = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> Result<bool, Reason> {
        let rest = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = rest.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(damaged("True or False"))
    }

    /// The element type, and whether its bytes are big-endian.
    fn element(&mut self) -> Result<(Code, bool), Reason> {
        if self.0.trim_start().starts_with(['[', '(']) {
            return Err(format!("its elements are records with fields; read are {READ}; save one field at a time"));
        }
        let descr = self.string()?;
        let (big_endian, kind) = match descr.split_at_checked(1) {
            Some((order @ (">" | "<" | "|" | "="), kind)) => {
                (order == ">" || (order == "=" && cfg!(target_endian = "big")), kind)
            }
            _ => (false, descr),
        };
        let code = match kind {
            "b1" => Code::Bool,
            "i1" => Code::I8,
            "u1" => Code::U8,
            "i2" => Code::I16,
            "u2" => Code::U16,
            "i4" => Code::I32,
            "u4" => Code::U32,
            "i8" => Code::I64,
            "f2" => Code::F16,
            "f4" => Code::F32,
            "f8" => Code::F64,
            _ => {
                return Err(format!("its elements are {} (`{descr}`); read are {READ}{}", called(kind), instead(kind)));
            }
        };
        Ok((code, big_endian))
    }

    fn shape(&mut self) -> Result<Vec<usize>, Reason> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.eat(')') {
            let rest = self.0.trim_start();
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let axis = rest[..digits].parse().map_err(|_| damaged("a shape of whole numbers that fit 64 bits"))?;
            self.0 = rest[digits..].trim_start_matches('L');
            shape.push(axis);
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        match shape.len() > MOST_AXES {
            true => Err(format!("an array of {} axes; at most {MOST_AXES} are read", shape.len())),
            false => Ok(shape),
        }
    }
}

fn called(kind: &str) -> &'static str {
    match kind.chars().next() {
        Some('c') => "complex numbers",
        Some('U' | 'S' | 'a') => "strings",
        Some('O') => "Python objects",
        Some('M' | 'm') => "dates or times",
        Some('V') => "raw bytes (as bfloat16 is saved)",
        Some('f') => "extended floats",
        Some('u') => "64-bit unsigned integers",
        _ => "of an unknown type",
    }
}

fn instead(kind: &str) -> &'static str {
    match kind.chars().next() {
        Some('c') => "; save real and imaginary part apart",
        Some('u') => "; save .astype('int64')",
        Some('O' | 'f') => "; save .astype('float64')",
        Some('V') => "; save .astype('float32')",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_age_of_numpy_are_read() {
        let header = Header::parse("{'descr': '>f8', 'fortran_order': True, 'shape': (3, 4), }   \n").unwrap();
        assert_eq!(header.layout, Layout { big_endian: true, fortran: true });
        assert_eq!((header.code, header.shape), (Code::F64, vec![3, 4]));
        let header = Header::parse(r#"{"shape": (3L,), "fortran_order": False, "descr": "|b1"}"#).unwrap();
        assert_eq!((header.code, header.shape), (Code::Bool, vec![3]));
        assert_eq!(Header::parse("{'descr':'<i2','fortran_order':False,'shape':()}").unwrap().shape, [0usize; 0]);
    }

    #[test]
    fn an_element_type_that_is_not_read_is_named() {
        let error = |descr: &str| {
            Header::parse(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}")).unwrap_err()
        };
        assert!(error("'<c16'").contains("complex numbers (`<c16`); read are bool, int8"));
        assert!(error("'<U5'").contains("strings"));
        assert!(error("'|O'").contains("Python objects"));
        assert!(error("[('a', '<f4'), ('b', '<i4')]").contains("records with fields"));
        assert!(error("'<u8'").ends_with(".astype('int64')"));
        for descr in ["''", "'<'", "'é4'", "'f'", "3", "'<f4"] {
            assert!(!error(descr).is_empty());
        }
    }

    #[test]
    fn a_damaged_header_says_what_was_expected() {
        let good = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }";
        assert!(Header::parse(good).is_ok());
        for cut in 0..good.len() {
            assert!(Header::parse(&good[..cut]).unwrap_err().contains("expected"), "{}", &good[..cut]);
        }
        for bad in ["(3, -4)", "(3, 99999999999999999999)", "(3.0,)", "[3]", "((3,),)", "(,)", "(3 4)"] {
            assert!(Header::parse(&good.replace("(3, 4)", bad)).is_err(), "{bad}");
        }
        assert!(
            Header::parse(&good.replace("(3, 4)", &format!("({})", "1,".repeat(65)))).unwrap_err().contains("65 axes")
        );
        assert!(Header::parse(&format!("{good} x")).is_err());
    }
}
