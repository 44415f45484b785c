//! Titles: a brand, a thing, and what sellers add until the field is full.
//!
//! The length comes first, from the quantiles of the real titles; pieces are added while they
//! fit. What makes titles awkward to import (commas, quotes, apostrophes, characters beyond
//! ASCII) is decided before the words, so that each has the share it has in the real file.
//! A title made here is what cleaning would leave: NFC, trimmed, single spaces, no entities.

mod shape;

use std::mem;

use self::shape::{
    CLOTHING_LENGTHS, INCHES, LENGTHS, MARKS, Mark, OWNED, OWNED_CLOTHING, PIECES, Piece, REPEATED,
    REPEATED_CLOTHING, STYLES, Style, ending, joint, prefix,
};
use super::{
    departments::Department,
    dice::{Dice, MILLION, Table},
    plan::Category,
    vocabulary::{
        ADJECTIVES, BRAND_HEADS, BRAND_TAILS, COLOUR_LEN_MIN, COLOURS, MATERIALS, OWNERS, UNITS,
    },
};

/// Tries at a piece that fits before a title is left shorter than it might be.
const MISSES_MAX: u32 = 3;
/// Less room than this takes no piece but a colour.
const ROOM_MIN: usize = 8;

/// Makes one title after the other, in buffers that are used again.
pub(super) struct Titles {
    text: String,
    piece: String,
    /// In characters.
    limit: usize,
    /// Bytes of `text` beyond one a character.
    surplus: usize,
}

impl Titles {
    pub(super) fn new() -> Self {
        Self { text: String::new(), piece: String::new(), limit: 0, surplus: 0 }
    }

    /// The title of the next row, which may be that of the row before.
    pub(super) fn next(&mut self, dice: &mut Dice, category: &Category) -> &str {
        let clothing = category.department.clothing;
        let repeated = if clothing { REPEATED_CLOTHING } else { REPEATED };
        if self.text.is_empty() || !dice.chance(repeated) {
            self.limit = dice.between(if clothing { CLOTHING_LENGTHS } else { LENGTHS }) as usize;
            self.make(dice, category);
        }
        &self.text
    }

    fn make(&mut self, dice: &mut Dice, category: &Category) {
        self.text.clear();
        self.surplus = 0;
        let mark = first_above(dice.below(MILLION), &MARKS);
        let style = match mark {
            Some(Mark::EnDash) => Style::EnDashes,
            Some(Mark::EmDash) => Style::EmDashes,
            Some(Mark::WideCommas) => Style::WideCommas,
            _ => first_above(dice.below(MILLION), &STYLES).expect("one style for every draw"),
        };
        let ending = ending(mark);
        self.limit = self.limit.saturating_sub(ending.chars().count());
        self.head(dice, category, mark);
        self.measures(dice, style, mark);
        self.fill(dice, category, style);
        self.push_wide(ending);
    }

    /// Brand, owner, adjective and the thing itself.
    fn head(&mut self, dice: &mut Dice, category: &Category, mark: Option<Mark>) {
        let noun = dice.pick(category.nouns);
        let sign = match mark {
            Some(Mark::Registered) => "® ",
            Some(Mark::Trade) => "™ ",
            _ => " ",
        };
        if sign != " " || (self.limit > noun.len() + 12 && dice.chance(850_000)) {
            self.brand(dice);
            self.push_wide(sign);
        }
        let owned = if category.department.clothing { OWNED_CLOTHING } else { OWNED };
        if mark == Some(Mark::CurlyOwner) {
            self.push(dice.pick(&OWNERS));
            self.push_wide("’s ");
        } else if dice.chance(owned) {
            self.push(dice.pick(&OWNERS));
            self.push("'s ");
        }
        if mark == Some(Mark::Accent) {
            self.push_wide(dice.pick(&["Café ", "Décor ", "Protégé ", "Appliqué "]));
        }
        let adjective = dice.pick(&ADJECTIVES);
        if self.room() > adjective.len() + noun.len() + 20 && dice.chance(450_000) {
            self.push(adjective);
            self.push(" ");
        }
        self.push(noun);
    }

    /// One name in three in capitals, as on the marketplace; few brands have most products.
    fn brand(&mut self, dice: &mut Dice) {
        let head = dice.index(BRAND_HEADS.len()).min(dice.index(BRAND_HEADS.len()));
        let tail = dice.index(BRAND_TAILS.len());
        let start = self.text.len();
        self.push(BRAND_HEADS[head]);
        self.push(BRAND_TAILS[tail]);
        // By the name and not by chance: a brand is always spelt the same.
        if (head + tail).is_multiple_of(3) {
            self.text[start..].make_ascii_uppercase();
        }
    }

    /// Inches, degrees and areas, where the title has them.
    fn measures(&mut self, dice: &mut Dice, style: Style, mark: Option<Mark>) {
        let sign = match mark {
            Some(Mark::CurlyInches) => '”',
            Some(Mark::Degrees) => '°',
            Some(Mark::Times) => '×',
            _ if dice.chance(INCHES) => '"',
            _ => return,
        };
        self.piece.clear();
        put_number(&mut self.piece, dice.within(5, 60));
        match sign {
            '×' => {
                self.piece.push(sign);
                put_number(&mut self.piece, dice.within(5, 60));
                self.piece.push_str(" cm");
            }
            '°' => self.piece.push_str("0°F Rated"),
            _ => {
                self.piece.push(sign);
                if dice.chance(400_000) {
                    self.piece.push_str(" x ");
                    put_number(&mut self.piece, dice.within(5, 60));
                    self.piece.push(sign);
                }
            }
        }
        self.join(style);
        let measure = mem::take(&mut self.piece);
        self.push_wide(&measure);
        self.piece = measure;
    }

    /// Adds pieces while they fit, then a colour that ends exactly at the limit.
    fn fill(&mut self, dice: &mut Dice, category: &Category, style: Style) {
        let joint_len = joint(style).chars().count();
        let mut turn = dice.index(PIECES.len());
        let stride = 1 + dice.index(PIECES.len() - 1);
        let mut saying = dice.index(64);
        let mut misses = 0;
        let mut has_detail = false;
        while misses < MISSES_MAX && self.room() >= ROOM_MIN {
            turn = (turn + stride) % PIECES.len();
            let piece = PIECES[turn];
            saying += usize::from(matches!(piece, Piece::Detail | Piece::Use));
            self.compose(dice, category, piece, saying);
            let prefix = prefix(style, piece, has_detail);
            if joint_len + prefix.len() + self.piece.len() > self.room() {
                misses += 1;
                continue;
            }
            self.join(style);
            self.push(prefix);
            self.text.push_str(&self.piece);
            has_detail |= matches!(piece, Piece::Detail);
        }
        let after_joint = self.room().checked_sub(joint_len + COLOUR_LEN_MIN);
        if let Some(colours) = after_joint.and_then(|len| COLOURS.get(len)) {
            self.join(style);
            self.push(dice.pick(colours));
        }
    }

    /// Composes one piece. `saying` counts up, so that a title does not repeat itself.
    fn compose(&mut self, dice: &mut Dice, category: &Category, piece: Piece, saying: usize) {
        let Department { details, uses, .. } = category.department;
        self.piece.clear();
        match piece {
            Piece::Detail => self.piece.push_str(details[saying % details.len()]),
            Piece::Use => self.piece.push_str(uses[saying % uses.len()]),
            Piece::Material => self.piece.push_str(dice.pick(&MATERIALS)),
            Piece::Colour => {
                let length = dice.index(COLOURS.len());
                self.piece.push_str(dice.pick(COLOURS[length]));
            }
            Piece::Noun => {
                self.piece.push_str(dice.pick(&ADJECTIVES));
                self.piece.push(' ');
                self.piece.push_str(dice.pick(category.nouns));
            }
            Piece::Size => {
                put_number(&mut self.piece, dice.within(2, 120));
                self.piece.push(' ');
                self.piece.push_str(dice.pick(&UNITS));
            }
            Piece::Pack => {
                self.piece.push_str(dice.pick(&["Pack of ", "Set of ", "Model "]));
                put_number(&mut self.piece, dice.within(2, 24));
            }
        }
    }

    fn room(&self) -> usize {
        self.limit.saturating_sub(self.text.len() - self.surplus)
    }

    fn join(&mut self, style: Style) {
        self.push_wide(joint(style));
    }

    /// Nearly all words are ASCII, and need no counting.
    fn push(&mut self, ascii: &str) {
        debug_assert!(ascii.is_ascii());
        self.text.push_str(ascii);
    }

    fn push_wide(&mut self, words: &str) {
        self.text.push_str(words);
        self.surplus += words.len() - words.chars().count();
    }
}

fn first_above<T: Copy>(draw: u32, choices: &[(u32, T)]) -> Option<T> {
    choices.iter().find(|(bound, _)| draw < *bound).map(|(_, choice)| *choice)
}

fn put_number(text: &mut String, number: u32) {
    if number >= 10 {
        put_number(text, number / 10);
    }
    text.push(char::from_digit(number % 10, 10).expect("a digit"));
}
