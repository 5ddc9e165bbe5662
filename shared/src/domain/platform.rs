//! The four practice-management systems and their regions.

use std::{fmt, str::FromStr};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A practice-management system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    Clio,
    Lawmatics,
    Smokeball,
    Mycase,
    /// A platform that is scripted by the project's own tests. No shipped program knows it, and none takes its name from a caller.
    Test,
}

/// As callers may name it: see [`Platform::ALL`].
impl PartialSchema for Platform {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A practice-management system."))
            .enum_values(Some(Self::ALL.map(Self::as_str)))
            .into()
    }
}

impl ToSchema for Platform {}

/// Reads what a caller names: a platform that is sold, or none.
///
/// # Errors
/// It is another word.
pub fn read_sold<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Platform>, D::Error> {
    let platform = Option::<Platform>::deserialize(deserializer)?;
    if platform == Some(Platform::Test) {
        return Err(D::Error::custom("unknown platform"));
    }
    Ok(platform)
}

/// A name that is none of the platforms.
#[derive(Debug, thiserror::Error)]
#[error("unknown platform")]
pub struct UnknownPlatform;

impl Platform {
    /// All that are sold.
    pub const ALL: [Self; 4] = [Self::Clio, Self::Lawmatics, Self::Smokeball, Self::Mycase];

    /// The name in SQL, JSON, URLs and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clio => "clio",
            Self::Lawmatics => "lawmatics",
            Self::Smokeball => "smokeball",
            Self::Mycase => "mycase",
            Self::Test => "test",
        }
    }

    /// The name that people know.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Clio => "Clio",
            Self::Lawmatics => "Lawmatics",
            Self::Smokeball => "Smokeball",
            Self::Mycase => "MyCase",
            Self::Test => "Test Practice",
        }
    }

    /// The platform's own name of a matter id in answers, as published for Clio.
    #[must_use]
    pub fn matter_id_member(self) -> &'static str {
        match self {
            Self::Clio => "clioMatterId",
            Self::Lawmatics => "lawmaticsMatterId",
            Self::Smokeball => "smokeballMatterId",
            Self::Mycase => "mycaseMatterId",
            Self::Test => "testMatterId",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, UnknownPlatform> {
        match text {
            "clio" => Ok(Self::Clio),
            "lawmatics" => Ok(Self::Lawmatics),
            "smokeball" => Ok(Self::Smokeball),
            "mycase" => Ok(Self::Mycase),
            "test" => Ok(Self::Test),
            _ => Err(UnknownPlatform),
        }
    }
}

/// Where an account lives. Tokens do not cross regions (providers/clio.md §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    Us,
    Eu,
    Ca,
    Au,
    Uk,
}

impl Region {
    /// The name in SQL and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Eu => "eu",
            Self::Ca => "ca",
            Self::Au => "au",
            Self::Uk => "uk",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Region {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, UnknownPlatform> {
        match text {
            "us" => Ok(Self::Us),
            "eu" => Ok(Self::Eu),
            "ca" => Ok(Self::Ca),
            "au" => Ok(Self::Au),
            "uk" => Ok(Self::Uk),
            _ => Err(UnknownPlatform),
        }
    }
}
