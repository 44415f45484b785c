//! The bytes of TDS 7.4, as far as the responder speaks it (MS-TDS, sections 2.2.1 to 2.2.7).

use super::{Cell, Rows};

/// Bytes before each packet's content.
pub const HEADER: usize = 8;
/// Of a packet that ends its message.
const LAST: u8 = 1;
/// Longer answers go out in several packets.
const PACKET_MAX: usize = 4_000;

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    Prelogin,
    Login,
    /// A request to the transaction manager.
    Transaction(u16),
    /// A batch, or a call of `sp_executesql`.
    Statement,
}

impl Message {
    pub fn of(kind: u8, body: &[u8]) -> Self {
        match kind {
            0x12 => Self::Prelogin,
            0x10 => Self::Login,
            0x0e => {
                // Behind the headers, whose length comes first.
                let headers = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
                let request = u16::from_le_bytes(body[headers..headers + 2].try_into().unwrap());
                Self::Transaction(request)
            }
            0x01 | 0x03 => Self::Statement,
            other => panic!("a client says {other:#x}"),
        }
    }
}

/// The password in a login, which is only veiled.
pub fn password(login: &[u8]) -> String {
    let number = |at: usize| usize::from(u16::from_le_bytes([login[at], login[at + 1]]));
    let (begin, units) = (number(44), number(46));
    let plain = |byte: &u8| (byte ^ 0xa5).rotate_left(4);
    let bytes: Vec<u8> = login[begin..begin + units * 2].iter().map(plain).collect();
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    String::from_utf16(&units.collect::<Vec<_>>()).unwrap()
}

/// A packet's kind, the length of its content, and whether it ends its message.
pub fn header(bytes: [u8; HEADER]) -> (u8, usize, bool) {
    let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) - HEADER;
    (bytes[0], length, bytes[1] & LAST != 0)
}

/// An answer in its packets.
pub fn message(content: &[u8]) -> Vec<u8> {
    let pieces: Vec<_> = content.chunks(PACKET_MAX).collect();
    let mut bytes = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let is_last = number + 1 == pieces.len();
        let length = u16::try_from(piece.len() + HEADER).unwrap().to_be_bytes();
        let id = u8::try_from(number % 256).unwrap();
        bytes.extend([4, u8::from(is_last), length[0], length[1], 0, 0, id, 0]);
        bytes.extend(*piece);
    }
    bytes
}

/// The version, and that nothing is encrypted.
pub fn prelogin() -> Vec<u8> {
    const NOT_SUPPORTED: u8 = 2;
    let mut bytes = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff];
    bytes.extend([15, 0, 0, 0, 0, 0, NOT_SUPPORTED]);
    bytes
}

/// The name that a statement begins with.
pub fn name_of(body: &[u8]) -> String {
    let begin: Vec<u8> = "-- ".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let Some(at) = body.windows(begin.len()).position(|window| window == begin) else {
        return "nameless".to_owned();
    };
    let units = body[at + begin.len()..].chunks_exact(2);
    let text = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let name: Vec<u16> = text.take_while(|unit| *unit != u16::from(b'\n')).collect();
    String::from_utf16(&name).unwrap().trim().to_owned()
}

/// Tokens of an answer.
#[derive(Debug, Default)]
pub struct Tokens(Vec<u8>);

impl Tokens {
    pub fn end(self) -> Vec<u8> {
        self.0
    }

    /// The login is acknowledged.
    pub fn login(mut self) -> Self {
        let name = ucs2("responder");
        let mut body = vec![1];
        body.extend(0x7400_0004_u32.to_be_bytes());
        body.push(u8::try_from(name.len() / 2).unwrap());
        body.extend(name);
        body.extend([15, 0, 0, 0]);
        self.token(0xad, &body);
        self
    }

    /// Another server is to be asked.
    pub fn routing(mut self, host: &str, port: u16) -> Self {
        let host = ucs2(host);
        let mut value = vec![0];
        value.extend(port.to_le_bytes());
        value.extend(u16::try_from(host.len() / 2).unwrap().to_le_bytes());
        value.extend(host);
        let mut body = vec![20];
        body.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
        body.extend(value);
        body.extend([0, 0]);
        self.token(0xe3, &body);
        self
    }

    /// A transaction begins (5), is committed (7) or rolled back (8).
    pub fn transaction(mut self, request: u16) -> Self {
        let descriptor = [1, 0, 0, 0, 0, 0, 0, 0];
        let mut body = Vec::new();
        match request {
            5 => {
                body.extend([8, 8]);
                body.extend(descriptor);
                body.push(0);
            }
            7 | 8 => {
                body.extend([if request == 7 { 9 } else { 10 }, 0, 8]);
                body.extend(descriptor);
            }
            other => panic!("a transaction manager is asked for {other}"),
        }
        self.token(0xe3, &body);
        self
    }

    /// An error of a severity that leaves the connection as it is.
    pub fn error(mut self, number: i32) -> Self {
        let message = ucs2("said by the responder");
        let mut body = number.to_le_bytes().to_vec();
        body.extend([1, 16]);
        body.extend(u16::try_from(message.len() / 2).unwrap().to_le_bytes());
        body.extend(message);
        body.extend([0, 0, 1, 0, 0, 0]);
        self.token(0xaa, &body);
        self
    }

    /// A result: its columns by its first row, a number where there is none, then its rows.
    pub fn rows(mut self, rows: &Rows) -> Self {
        let columns = rows.first().cloned().unwrap_or_else(|| vec![Cell::Number(None)]);
        self.0.push(0x81);
        self.0.extend(u16::try_from(columns.len()).unwrap().to_le_bytes());
        for column in &columns {
            self.0.extend([0, 0, 0, 0, 1, 0]);
            self.0.extend(kind(column));
            // Its name: one letter will do.
            self.0.extend([1, b'c', 0]);
        }
        for row in rows {
            self.0.push(0xd1);
            for cell in row {
                self.0.extend(value(cell));
            }
        }
        self.ended(0xfd, 0x11, u64::try_from(rows.len()).unwrap());
        self
    }

    /// The statement has ended and changed so many rows.
    pub fn done(mut self, count: u64) -> Self {
        self.ended(0xfd, 0x10, count);
        self
    }

    /// The statement has ended with an error.
    pub fn failed(mut self) -> Self {
        self.ended(0xfd, 2, 0);
        self
    }

    fn ended(&mut self, token: u8, status: u16, count: u64) {
        self.0.push(token);
        self.0.extend(status.to_le_bytes());
        self.0.extend([0, 0]);
        self.0.extend(count.to_le_bytes());
    }

    /// A token that tells its length.
    fn token(&mut self, token: u8, body: &[u8]) {
        self.0.push(token);
        self.0.extend(u16::try_from(body.len()).unwrap().to_le_bytes());
        self.0.extend(body);
    }
}

/// Some Latin collation; the responder compares nothing.
const COLLATION: [u8; 5] = [0x09, 0x04, 0xd0, 0x00, 0x34];
const TEXT_MAX: u16 = 8_000;

fn kind(cell: &Cell) -> Vec<u8> {
    match cell {
        Cell::Number(_) => vec![0x26, 8],
        Cell::Text(_) => {
            let mut kind = vec![0xe7];
            kind.extend(TEXT_MAX.to_le_bytes());
            kind.extend(COLLATION);
            kind
        }
        Cell::Decimal(_) => vec![0x6a, 9, 10, 2],
    }
}

fn value(cell: &Cell) -> Vec<u8> {
    match cell {
        Cell::Number(None) | Cell::Decimal(None) => vec![0],
        Cell::Number(Some(number)) => [&[8][..], &number.to_le_bytes()].concat(),
        Cell::Text(None) => vec![0xff, 0xff],
        Cell::Text(Some(text)) => {
            let text = ucs2(text);
            let length = u16::try_from(text.len()).unwrap().to_le_bytes();
            [&length[..], &text].concat()
        }
        Cell::Decimal(Some(hundredths)) => {
            let sign = u8::from(*hundredths >= 0);
            [&[9, sign][..], &hundredths.unsigned_abs().to_le_bytes()].concat()
        }
    }
}

fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
