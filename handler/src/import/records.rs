//! CSV text as records, each with its place in the file.
//!
//! csv-core takes the text apart. What it does not do is done here: it never refuses
//! anything, so one unclosed quote would swallow every record up to the next quote. A
//! record that is too long, or spans lines with quotes that do not match, is therefore
//! *broken*: its first line alone is given up, and reading goes on at the next.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};
use xxhash_rust::xxh3::xxh3_128;

use super::source::{Text, read_up_to};
use crate::store::Checkpoint;

/// CONTRACT 7: a longer record is one reject.
pub(super) const RECORD_BYTES_MAX: usize = 64 * 1_024;
/// How much of the text before a checkpoint is compared when a run goes on.
pub(super) const DIGESTED_BYTES: usize = 4 * 1_024;
/// Read at once; with a record and the digested bytes it bounds the buffer.
const CHUNK_BYTES: usize = 256 * 1_024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads records from a text.
pub(super) struct Records<R> {
    input: R,
    is_at_end: bool,
    /// Met behind the bytes that are in the buffer.
    fault: Option<io::Error>,
    buffer: Vec<u8>,
    /// Where in the whole text `buffer[0]` lies.
    base: u64,
    /// The current record is `buffer[start..position]`; the input goes to `filled`.
    start: usize,
    position: usize,
    filled: usize,
    start_line: u64,
    line: u64,
    csv: csv_core::Reader,
    fields: Vec<u8>,
    fields_length: usize,
    ends: Vec<usize>,
    ends_length: usize,
}

/// What [`Records::advance`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// A record: its fields are at hand.
    Record,
    /// Something that is no record; only its first line is given up.
    Broken(&'static str),
    /// The end of the text.
    End,
}

impl Records<Text> {
    /// Reads from the beginning of a text.
    pub(super) fn begin(text: Text) -> io::Result<Self> {
        let mut records = Self::new(text, 0, 1);
        records.fill()?;
        if records.buffer[..records.filled].starts_with(BYTE_ORDER_MARK) {
            records.step_to(BYTE_ORDER_MARK.len());
        }
        Ok(records)
    }

    /// Goes on at a checkpoint. The text must begin [`DIGESTED_BYTES`] before it, or at 0;
    /// `None` if what lies there is not what was there when the checkpoint was made.
    pub(super) fn resume(text: Text, from: &Checkpoint) -> io::Result<Option<Self>> {
        let base = text.offset;
        let before = usize::try_from(from.offset - base).unwrap_or(usize::MAX);
        let mut records = Self::new(text, base, from.line);
        records.fill()?;
        if before > records.filled
            && let Some(fault) = records.fault.take()
        {
            return Err(fault);
        }
        if before > records.filled || digest(&records.buffer[..before]) != from.digest {
            return Ok(None);
        }
        records.step_to(before);
        Ok(Some(records))
    }
}

impl<R: Read> Records<R> {
    fn new(input: R, base: u64, line: u64) -> Self {
        Self {
            input,
            is_at_end: false,
            fault: None,
            buffer: vec![0; DIGESTED_BYTES + RECORD_BYTES_MAX + CHUNK_BYTES],
            base,
            start: 0,
            position: 0,
            filled: 0,
            start_line: line,
            line,
            csv: ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build(),
            fields: vec![0; RECORD_BYTES_MAX + CHUNK_BYTES],
            fields_length: 0,
            ends: vec![0; 64],
            ends_length: 0,
        }
    }

    /// Goes to the next record. The previous one, or its first line, is done with.
    pub(super) fn advance(&mut self) -> io::Result<Met> {
        if !self.skip_line_ends()? {
            return Ok(Met::End);
        }
        (self.fields_length, self.ends_length) = (0, 0);
        loop {
            let (result, read, wrote, ended) = self.csv.read_record(
                &self.buffer[self.position..self.filled],
                &mut self.fields[self.fields_length..],
                &mut self.ends[self.ends_length..],
            );
            self.position += read;
            self.fields_length += wrote;
            self.ends_length += ended;
            match result {
                _ if self.position - self.start > RECORD_BYTES_MAX => {
                    return Ok(Met::Broken("is longer than 64 KiB: a quote may not be closed"));
                }
                ReadRecordResult::InputEmpty => self.fill()?,
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                // The fields of a record are never longer than the record.
                ReadRecordResult::OutputFull => {
                    return Ok(Met::Broken("is longer than 64 KiB: a quote may not be closed"));
                }
                ReadRecordResult::Record => return Ok(self.checked()),
                ReadRecordResult::End => return Ok(Met::End),
            }
        }
    }

    /// Only a record that spans lines can have swallowed others, and only the last one of the
    /// text can have a quote that is never closed.
    fn checked(&mut self) -> Met {
        let raw = &self.buffer[self.start..self.position];
        let lines = line_ends(raw);
        let spans_lines = lines > usize::from(raw.ends_with(b"\n"));
        let is_last = self.is_at_end && self.position == self.filled;
        let is_broken = match quotes(raw) {
            Quotes::Matching => false,
            Quotes::Odd => spans_lines,
            Quotes::Open => spans_lines || is_last,
        };
        if is_broken {
            return Met::Broken("has a quote that is not closed where it should be");
        }
        self.line += lines as u64;
        Met::Record
    }

    /// Gives up the first line of the current record and goes on behind it.
    pub(super) fn give_up_first_line(&mut self) -> io::Result<()> {
        self.csv.reset();
        self.line = self.start_line;
        let mut from = self.start;
        loop {
            let rest = &self.buffer[from..self.filled];
            if let Some(at) = memchr::memchr(b'\n', rest) {
                self.step_to(from + at + 1);
                self.line += 1;
                return Ok(());
            }
            // A line without an end in sight: nothing of it is needed any more.
            self.step_to(self.filled);
            if self.is_at_end {
                return Ok(());
            }
            self.fill()?;
            from = self.start;
        }
    }

    /// Whether the current record has more than one line.
    pub(super) fn spans_lines(&self) -> bool {
        let raw = self.raw();
        raw.contains(&b'\n')
    }

    /// The current record as it stands in the text, without its line end.
    pub(super) fn raw(&self) -> &[u8] {
        let raw = &self.buffer[self.start..self.position];
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        raw.strip_suffix(b"\r").unwrap_or(raw)
    }

    /// The first line of the current record, without its line end and cut at 64 KiB.
    pub(super) fn first_line(&self) -> &[u8] {
        let seen = &self.buffer[self.start..self.filled];
        let seen = &seen[..seen.len().min(RECORD_BYTES_MAX)];
        let line = seen.split(|byte| *byte == b'\n').next().unwrap_or(seen);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// How many fields the current record has.
    pub(super) fn width(&self) -> usize {
        self.ends_length
    }

    /// A field of the current record, without its quotes. Only `\n` ends a line for
    /// csv-core, so the `\r` of a `\r\n` is at the end of the last field.
    pub(super) fn field(&self, index: usize) -> &[u8] {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] };
        let field = &self.fields[begin..self.ends[index]];
        let is_last = index + 1 == self.ends_length;
        let ends_with_cr = self.buffer[self.start..self.position].ends_with(b"\r\n");
        if is_last && ends_with_cr { field.strip_suffix(b"\r").unwrap_or(field) } else { field }
    }

    /// Where the current record begins.
    pub(super) fn byte(&self) -> u64 {
        self.base + self.start as u64
    }

    /// The line on which the current record begins.
    pub(super) fn start_line(&self) -> u64 {
        self.start_line
    }

    /// The place right behind the current record.
    pub(super) fn checkpoint(&self, columns: &str) -> Checkpoint {
        let before = self.position.saturating_sub(DIGESTED_BYTES);
        Checkpoint {
            offset: self.base + self.position as u64,
            line: self.line,
            columns: columns.to_owned(),
            digest: digest(&self.buffer[before..self.position]),
            // Known to whoever counts what is read.
            stored: 0,
        }
    }

    /// Steps over empty lines; `false` at the end of the text.
    fn skip_line_ends(&mut self) -> io::Result<bool> {
        loop {
            while self.position < self.filled {
                match self.buffer[self.position] {
                    b'\n' => self.line += 1,
                    b'\r' => {}
                    _ => {
                        self.start = self.position;
                        self.start_line = self.line;
                        return Ok(true);
                    }
                }
                self.position += 1;
            }
            self.start = self.position;
            if self.is_at_end {
                return Ok(false);
            }
            self.fill()?;
        }
    }

    fn step_to(&mut self, position: usize) {
        self.position = position;
        self.start = position;
    }

    /// Reads on. Keeps the current record and the bytes that a checkpoint's digest needs.
    fn fill(&mut self) -> io::Result<()> {
        let keep_from = self.start.saturating_sub(DIGESTED_BYTES);
        self.buffer.copy_within(keep_from..self.filled, 0);
        self.base += keep_from as u64;
        self.start -= keep_from;
        self.position -= keep_from;
        self.filled -= keep_from;
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let room = (self.filled + CHUNK_BYTES).min(self.buffer.len());
        let (read, fault) = read_up_to(&mut self.input, &mut self.buffer[self.filled..room]);
        self.filled += read;
        match fault {
            Some(fault) if read == 0 => return Err(fault),
            // What came before the fault is as good as any: it is used up first.
            fault => self.fault = fault,
        }
        self.is_at_end = read == 0;
        Ok(())
    }
}

/// The digest of the bytes before a checkpoint.
fn digest(before: &[u8]) -> String {
    format!("{:032x}", xxh3_128(before))
}

fn line_ends(raw: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', raw).count()
}

/// What the quotes of a record are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// They open only at the beginning of a field and close only at its end.
    Matching,
    /// Some stand elsewhere; they are text.
    Odd,
    /// The last one that opens is not closed.
    Open,
}

fn quotes(raw: &[u8]) -> Quotes {
    let (mut is_quoted, mut is_odd) = (false, false);
    let mut is_field_start = true;
    let mut bytes = raw.iter().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, is_quoted) {
            (b'"', true) => match bytes.peek() {
                Some(b'"') => {
                    bytes.next();
                }
                None | Some(b',' | b'\r' | b'\n') => is_quoted = false,
                Some(_) => (is_quoted, is_odd) = (false, true),
            },
            (b'"', false) if is_field_start => is_quoted = true,
            (b'"', false) => is_odd = true,
            _ => {}
        }
        is_field_start = !is_quoted && *byte == b',';
    }
    match (is_quoted, is_odd) {
        (true, _) => Quotes::Open,
        (false, true) => Quotes::Odd,
        (false, false) => Quotes::Matching,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes out in pieces of the given size.
    struct Dripping<'a>(&'a [u8], usize);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.1).min(self.0.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn read_all(text: &[u8]) -> Vec<(u64, u64, Result<Vec<String>, String>)> {
        let mut records = Records::new(text, 0, 1);
        let mut all = Vec::new();
        loop {
            let met = records.advance().unwrap();
            let (line, byte) = (records.start_line(), records.byte());
            match met {
                Met::End => return all,
                Met::Record => {
                    let text = |i| String::from_utf8_lossy(records.field(i)).into_owned();
                    all.push((line, byte, Ok((0..records.width()).map(text).collect())));
                }
                Met::Broken(_) => {
                    let line_text = String::from_utf8_lossy(records.first_line()).into_owned();
                    all.push((line, byte, Err(line_text)));
                    records.give_up_first_line().unwrap();
                }
            }
        }
    }

    macro_rules! record {
        ($($field:expr),*) => { Ok(vec![$($field.to_owned()),*]) };
    }

    #[test]
    fn places_are_those_of_the_text() {
        let all = read_all(b"a,b\r\n\n\"x\ny\",\"q\"\"q\"\nlast,1");
        assert_eq!(
            all,
            [
                (1, 0, record!("a", "b")),
                (3, 6, record!("x\ny", "q\"q")),
                (5, 19, record!("last", "1")),
            ]
        );
    }

    #[test]
    fn an_unclosed_quote_costs_its_own_line_only() {
        let all = read_all(b"a,\"open,1\nb,\"closed, here\",2\nc,\"x\",3\n");
        assert_eq!(
            all,
            [
                (1, 0, Err("a,\"open,1".to_owned())),
                (2, 10, record!("b", "closed, here", "2")),
                (3, 29, record!("c", "x", "3")),
            ]
        );
    }

    #[test]
    fn an_unclosed_quote_in_the_last_record_is_broken() {
        let all = read_all(b"a,1\nb,\"open");
        assert_eq!(all, [(1, 0, record!("a", "1")), (2, 4, Err("b,\"open".to_owned()))]);
    }

    #[test]
    fn an_endless_record_costs_its_first_line_only() {
        let mut text = b"a,\"open\n".to_vec();
        for _ in 0..20_000 {
            text.extend_from_slice(b"b,good row\n");
        }
        let all = read_all(&text);
        assert_eq!(all.len(), 20_001);
        assert_eq!(all[0].2, Err("a,\"open".to_owned()));
        assert_eq!(all[20_000], (20_001, 8 + 11 * 19_999, record!("b", "good row")));
    }

    #[test]
    fn a_line_longer_than_any_buffer_is_one_broken_record() {
        let mut text = b"a,1\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * 1_024 * 1_024));
        text.extend_from_slice(b"\nb,2\n");
        let all = read_all(&text);
        assert_eq!(all.len(), 3);
        assert!(all[1].2.is_err());
        assert_eq!((all[2].0, &all[2].2), (3, &record!("b", "2")));
    }

    #[test]
    fn a_quote_within_an_unquoted_field_is_text() {
        for text in ["a,9\" lamp,1\n", "a,9\" lamp,1"] {
            assert_eq!(read_all(text.as_bytes()), [(1, 0, record!("a", "9\" lamp", "1"))]);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back_whatever_the_pieces(
            rows in prop::collection::vec(prop::collection::vec("[a-z,\"\n\r é]{0,12}", 2..5), 1..20),
            piece in 1..64_usize,
        ) {
            let mut text = Vec::new();
            for row in &rows {
                let quoted: Vec<_> =
                    row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
                text.extend_from_slice(quoted.join(",").as_bytes());
                text.push(b'\n');
            }
            let mut records = Records::new(Dripping(&text, piece), 0, 1);
            for row in &rows {
                prop_assert_eq!(records.advance().unwrap(), Met::Record);
                let fields: Vec<_> = (0..records.width())
                    .map(|i| String::from_utf8_lossy(records.field(i)).into_owned())
                    .collect();
                prop_assert_eq!(&fields, row);
            }
            prop_assert_eq!(records.advance().unwrap(), Met::End);
            prop_assert_eq!(records.checkpoint("").offset, text.len() as u64);
        }

        #[test]
        fn any_bytes_come_to_an_end_and_every_line_is_counted(
            text in prop::collection::vec(prop::sample::select(b"ab,\"\r\n\xff".to_vec()), 0..200)
        ) {
            read_all(&text);
            let mut records = Records::new(text.as_slice(), 0, 1);
            loop {
                match records.advance().unwrap() {
                    Met::End => break,
                    Met::Record => {}
                    Met::Broken(_) => records.give_up_first_line().unwrap(),
                }
            }
            prop_assert_eq!(records.line - 1, line_ends(&text) as u64);
        }
    }
}
