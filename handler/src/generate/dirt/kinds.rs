//! The kinds of dirt, and which of them an importer must refuse.

/// A way in which a row is spoilt. "Loadable" kinds can be cleaned or read past; the others
/// leave an importer nothing to load, and the row must be refused with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dirt {
    /// No title. Refused.
    EmptyTitle,
    /// A title of more than 500 characters. Refused.
    LongTitle,
    /// `&amp;` and the like left in the title. Loadable, decoded.
    HtmlEntity,
    /// A control character of the block U+0080 to U+009F in the title. Loadable without it.
    ControlCharacter,
    /// A soft hyphen, a byte order mark or a zero width space in the title. Loadable without it.
    InvisibleCharacter,
    /// An en space, a narrow no-break space or an ideographic space in the title. Loadable.
    OddSpace,
    /// A leading, trailing or double space in the title. Loadable.
    LooseSpaces,
    /// A byte in the title that is no UTF-8. Refused: which encoding was meant is a guess.
    InvalidUtf8,
    /// One to three fields missing at the end. Refused.
    TooFewFields,
    /// One or two fields more than the header. Refused.
    TooManyFields,
    /// A price that is no number. Refused.
    PriceNotANumber,
    /// A price below zero. Refused.
    PriceNegative,
    /// A price with three decimals. Refused: rounding it would invent a price.
    PriceTooPrecise,
    /// More than five stars. Refused.
    StarsAboveFive,
    /// Stars that are no number. Refused.
    StarsNotANumber,
    /// No category id. Refused.
    CategoryEmpty,
    /// The category id 0. Refused.
    CategoryZero,
    /// A category id that is no whole number. Refused.
    CategoryNotANumber,
    /// A category from 271 to 290, which the category file lacks. Loadable: the importer
    /// creates it.
    CategoryUnknown,
    /// No ASIN. Refused.
    AsinEmpty,
    /// An ASIN with a character other than letters, digits and hyphens. Refused.
    AsinForbidden,
    /// An ASIN of 24 characters, where 20 are allowed. Refused.
    AsinTooLong,
    /// An address without its scheme, of the image or of the page. Refused.
    UrlWithoutScheme,
    /// A title whose opening quote is never closed. Refused, and so is the following row (if
    /// there is one), which a reader that goes by the quotes takes for a part of the same
    /// record. That row is not counted as dirty.
    UnclosedQuote,
    /// A quote within a title that is not quoted. Loadable: it is an ordinary character there.
    StrayQuote,
    /// A line break within a quoted title. Loadable.
    EmbeddedNewline,
    /// The row ends in CR LF. Loadable.
    CrLf,
    /// An empty line before the row, which is no row itself. Loadable.
    EmptyLineBefore,
    /// The ASIN of an earlier row, with other values. Loadable: it replaces the earlier row.
    DuplicateAsin,
    /// Some or all optional fields empty. Loadable: they are unknown.
    EmptyOptionals,
}

impl Dirt {
    /// Every kind, in the order in which they are dealt.
    pub const ALL: [Self; 30] = [
        Self::EmptyTitle,
        Self::HtmlEntity,
        Self::TooFewFields,
        Self::CrLf,
        Self::PriceNotANumber,
        Self::OddSpace,
        Self::CategoryEmpty,
        Self::StrayQuote,
        Self::AsinEmpty,
        Self::DuplicateAsin,
        Self::LongTitle,
        Self::ControlCharacter,
        Self::TooManyFields,
        Self::EmptyLineBefore,
        Self::PriceNegative,
        Self::LooseSpaces,
        Self::CategoryZero,
        Self::EmbeddedNewline,
        Self::AsinForbidden,
        Self::EmptyOptionals,
        Self::InvalidUtf8,
        Self::InvisibleCharacter,
        Self::UnclosedQuote,
        Self::StarsAboveFive,
        Self::PriceTooPrecise,
        Self::CategoryUnknown,
        Self::CategoryNotANumber,
        Self::StarsNotANumber,
        Self::AsinTooLong,
        Self::UrlWithoutScheme,
    ];

    /// Whether an importer can load the row all the same.
    pub const fn is_loadable(self) -> bool {
        matches!(
            self,
            Self::HtmlEntity
                | Self::ControlCharacter
                | Self::InvisibleCharacter
                | Self::OddSpace
                | Self::LooseSpaces
                | Self::CategoryUnknown
                | Self::StrayQuote
                | Self::EmbeddedNewline
                | Self::CrLf
                | Self::EmptyLineBefore
                | Self::DuplicateAsin
                | Self::EmptyOptionals
        )
    }
}
