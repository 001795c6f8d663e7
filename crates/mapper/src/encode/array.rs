//! Arrays, from the server's [text form][1]: braces, commas, quotes and backslashes.
//!
//! [1]: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO

use crate::encode::scratch::Scratch;
use crate::encode::value_error::ValueError;
use crate::format::{Format, Nullability};

/// The elements of a one-dimensional array, in order.
#[derive(Clone, Debug)]
struct Elements<'a> {
    left: &'a [u8],
    delimiter: u8,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An element comes next.
    Element,
    /// The closing brace was read, or the text is not an array.
    Done,
}

/// An element, or the end of a malformed array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element<'a> {
    /// SQL null.
    Null,
    /// The element's text.
    Plain(&'a [u8]),
    /// The element's text with backslash escapes.
    Escaped(&'a [u8]),
    /// The text is not an array of one dimension.
    Malformed,
}

impl<'a> Elements<'a> {
    /// Iterates over the elements of `text`. Lower bounds (`[5:7]={…}`) are skipped: an Avro array has none.
    fn new(text: &'a [u8], delimiter: u8) -> Self {
        let body = match text {
            [b'[', ..] => text
                .iter()
                .position(|byte| *byte == b'=')
                .and_then(|equals| text.get(equals + 1..)),
            text => Some(text),
        };
        let (left, state) = match body.and_then(|body| body.strip_prefix(b"{")) {
            Some(b"}") => (b"".as_slice(), State::Done),
            Some(left) => (left, State::Element),
            // Without an opening brace the first element is malformed.
            None => (b"".as_slice(), State::Element),
        };
        Self {
            left,
            delimiter,
            state,
        }
    }

    /// Number of elements; `None` when the text is not an array of one dimension.
    fn count(text: &'a [u8], delimiter: u8) -> Option<usize> {
        Self::new(text, delimiter).try_fold(0, |count, element| {
            (element != Element::Malformed).then_some(count + 1)
        })
    }

    fn quoted(&mut self) -> Option<Element<'a>> {
        let mut escapes = false;
        let mut index = 0;
        let length = loop {
            match self.left.get(index)? {
                b'\\' => {
                    escapes = true;
                    index += 2;
                }
                b'"' => break index,
                _ => index += 1,
            }
        };
        let text = self.left.get(..length)?;
        self.left = self.left.get(length + 1..)?;
        Some(if escapes {
            Element::Escaped(text)
        } else {
            Element::Plain(text)
        })
    }

    fn unquoted(&mut self) -> Option<Element<'a>> {
        let length = self
            .left
            .iter()
            .position(|byte| *byte == self.delimiter || *byte == b'}')?;
        let (text, rest) = self.left.split_at(length);
        // The server quotes an element with one of these characters; an opening brace is a further dimension.
        if text.is_empty() || text.iter().any(|byte| matches!(byte, b'{' | b'"' | b'\\')) {
            return None;
        }
        self.left = rest;
        Some(if text == b"NULL" {
            Element::Null
        } else {
            Element::Plain(text)
        })
    }

    fn read(&mut self) -> Option<Element<'a>> {
        let element = match self.left {
            [b'"', rest @ ..] => {
                self.left = rest;
                self.quoted()?
            }
            _ => self.unquoted()?,
        };
        match self.left {
            [next, rest @ ..] if *next == self.delimiter => self.left = rest,
            b"}" => self.state = State::Done,
            _ => return None,
        }
        Some(element)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        if self.state == State::Done {
            return None;
        }
        let element = self.read();
        if element.is_none() {
            self.state = State::Done;
        }
        Some(element.unwrap_or(Element::Malformed))
    }
}

/// Writes the text without its backslash escapes to `out`.
pub(super) fn unescape(escaped: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        let byte = if *byte == b'\\' {
            bytes.next().unwrap_or(byte)
        } else {
            byte
        };
        out.push(*byte);
    }
}

/// Appends an array in the server's text form, each element that is not null by `put`.
pub(super) fn put<F: Format>(
    value: &[u8],
    delimiter: u8,
    nullability: Nullability,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
    put: impl Fn(&[u8], &mut Scratch, &mut Vec<u8>) -> Result<(), ValueError>,
) -> Result<(), ValueError> {
    let count = Elements::count(value, delimiter).ok_or(FAULT)?;
    F::begin_array(count, out);
    // Taken out of the scratch while it holds an element: the element's encoder needs the rest.
    let mut unescaped = std::mem::take(&mut scratch.element);
    let written = Elements::new(value, delimiter).try_for_each(|element| {
        F::item(out);
        let text = match element {
            Element::Plain(text) => text,
            Element::Escaped(text) => {
                unescape(text, &mut unescaped);
                &unescaped
            }
            Element::Null if nullability == Nullability::Required => {
                return Err(ValueError::Value("an array whose elements are not null"));
            }
            Element::Null => {
                F::absent(nullability, out);
                return Ok(());
            }
            Element::Malformed => return Err(FAULT),
        };
        F::present(nullability, out);
        put(text, scratch, out)
    });
    scratch.element = unescaped;
    F::end_array(out);
    written
}

const FAULT: ValueError = ValueError::Value("an array of one dimension");

/// Appends an array of `items`.
pub(super) fn put_items<F: Format, T>(
    nullability: Nullability,
    items: impl Iterator<Item = T> + Clone,
    out: &mut Vec<u8>,
    put: impl Fn(T, &mut Vec<u8>),
) {
    F::begin_array(items.clone().count(), out);
    for item in items {
        F::item(out);
        F::present(nullability, out);
        put(item, out);
    }
    F::end_array(out);
}
