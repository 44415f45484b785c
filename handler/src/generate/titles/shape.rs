//! The shapes of titles: how long, how joined, and with what beyond ASCII.
//!
//! "Sample" is a count over 91,148 real rows or 4,960 of them, "full file" what was published of
//! all 1,426,337. Shares are in millionths.

use super::{MILLION, Table};

/// Sample: p1 22, p5 38, p10 50, p25 83, p50 134, p75 177, p90 194, p95 198, p99 200 characters,
/// then 0.6 % beyond the wall, 351 at most.
pub(super) const LENGTHS: &Table = &[
    (0, 14),
    (10_000, 23),
    (50_000, 40),
    (100_000, 53),
    (250_000, 88),
    (500_000, 137),
    (750_000, 179),
    (900_000, 195),
    (950_000, 198),
    (990_000, 200),
    (992_500, 200),
    (999_500, 255),
    (MILLION, 351),
];
/// Clothing is a fifth of the rows, and so much shorter that the mean of all comes to 120: what
/// the bytes of the full file leave for it.
pub(super) const CLOTHING_LENGTHS: &Table = &[
    (0, 10),
    (10_000, 20),
    (50_000, 33),
    (100_000, 42),
    (250_000, 62),
    (500_000, 91),
    (750_000, 132),
    (900_000, 172),
    (950_000, 191),
    (990_000, 199),
    (MILLION, 200),
];

/// Full file: 2.9 % of the titles are repetitions, mostly sizes and colours of one garment.
pub(super) const REPEATED: u32 = 10_000;
pub(super) const REPEATED_CLOTHING: u32 = 85_000;

/// Sample: 6 % of titles have a double quote, all but a few of them for inches.
pub(super) const INCHES: u32 = 62_000;
/// Sample: 7 % have an apostrophe.
pub(super) const OWNED: u32 = 28_000;
pub(super) const OWNED_CLOTHING: u32 = 230_000;

/// How the pieces of a title are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Commas,
    WideCommas,
    Pipes,
    Hyphens,
    EnDashes,
    EmDashes,
    /// "with", "and" and "for".
    Prose,
}

/// Sample: a comma in 67 % of titles, a pipe in 4 %. More are meant to have commas than do:
/// the shortest have nothing to join.
pub(super) const STYLES: [(u32, Style); 4] = [
    (690_000, Style::Commas),
    (732_000, Style::Pipes),
    (812_000, Style::Hyphens),
    (MILLION, Style::Prose),
];

/// What a title has beyond ASCII, one kind each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    EnDash,
    CurlyInches,
    Registered,
    CurlyOwner,
    Degrees,
    WideParentheses,
    WideCommas,
    Accent,
    Trade,
    Ellipsis,
    EmDash,
    Times,
}

/// Sample: 6.6-8.1 % of titles, by these characters in falling order.
pub(super) const MARKS: [(u32, Mark); 12] = [
    (14_500, Mark::EnDash),
    (24_500, Mark::CurlyInches),
    (35_500, Mark::Registered),
    (45_500, Mark::CurlyOwner),
    (52_500, Mark::Degrees),
    (58_500, Mark::WideParentheses),
    (62_500, Mark::WideCommas),
    (66_500, Mark::Accent),
    (71_000, Mark::Trade),
    (73_500, Mark::Ellipsis),
    (77_500, Mark::EmDash),
    (81_000, Mark::Times),
];

/// A thing said of the product; each is said once before one is said again.
#[derive(Clone, Copy)]
pub(super) enum Piece {
    Detail,
    Use,
    Material,
    Colour,
    Size,
    Noun,
    Pack,
}

/// A prime number of them: any stride then visits all.
pub(super) const PIECES: [Piece; 11] = [
    Piece::Detail,
    Piece::Use,
    Piece::Noun,
    Piece::Detail,
    Piece::Colour,
    Piece::Material,
    Piece::Detail,
    Piece::Size,
    Piece::Use,
    Piece::Detail,
    Piece::Pack,
];

pub(super) fn joint(style: Style) -> &'static str {
    match style {
        Style::Commas => ", ",
        Style::WideCommas => "，",
        Style::Pipes => " | ",
        Style::Hyphens => " - ",
        Style::EnDashes => " – ",
        Style::EmDashes => " — ",
        Style::Prose => " ",
    }
}

/// The words before a piece. Only prose says "with", and from the second detail on "and".
pub(super) fn prefix(style: Style, piece: Piece, joined_by_with: bool) -> &'static str {
    match piece {
        Piece::Use => "for ",
        Piece::Detail if style == Style::Prose && joined_by_with => "and ",
        Piece::Detail if style == Style::Prose => "with ",
        _ => "",
    }
}

pub(super) fn ending(mark: Option<Mark>) -> &'static str {
    match mark {
        Some(Mark::WideParentheses) => "（Black）",
        Some(Mark::Ellipsis) => "…",
        _ => "",
    }
}
