//! Case types: CaseHug's catalogue and the practice areas they mean by default.
//!
//! The five published ones are among them (product documents: "Field Mapping Schema"). A firm's own mapping wins;
//! an unknown case type, or a practice area that the provider lacks, never blocks a sync.

use std::collections::BTreeMap;

/// Practice area → the case types that mean it.
const CATALOGUE: &[(&str, &[&str])] = &[
    (
        "Family Law",
        &[
            "divorce_standard",
            "divorce_uncontested",
            "divorce_contested",
            "custody_only",
            "custody_modification",
            "child_support",
            "spousal_support",
            "adoption",
            "guardianship_minor",
            "prenuptial_agreement",
            "paternity",
            "domestic_violence_order",
        ],
    ),
    (
        "Immigration",
        &[
            "immigration_asylum",
            "immigration_family_petition",
            "immigration_employment_visa",
            "immigration_green_card",
            "immigration_naturalization",
            "immigration_removal_defense",
            "immigration_daca",
        ],
    ),
    (
        "Personal Injury",
        &[
            "personal_injury_auto",
            "personal_injury_slip_and_fall",
            "personal_injury_dog_bite",
            "personal_injury_product_liability",
            "personal_injury_wrongful_death",
            "medical_malpractice",
        ],
    ),
    (
        "Estate Planning",
        &[
            "estate_planning_will",
            "estate_planning_trust",
            "estate_planning_power_of_attorney",
            "estate_planning_healthcare_directive",
        ],
    ),
    (
        "Probate",
        &[
            "probate_administration",
            "probate_contested",
            "guardianship_adult",
        ],
    ),
    (
        "Criminal Defense",
        &[
            "criminal_dui",
            "criminal_misdemeanor",
            "criminal_felony",
            "criminal_expungement",
            "criminal_traffic",
        ],
    ),
    (
        "Employment",
        &[
            "employment_discrimination",
            "employment_wrongful_termination",
            "employment_wage_claim",
            "employment_harassment",
        ],
    ),
    (
        "Real Estate",
        &[
            "real_estate_purchase",
            "real_estate_sale",
            "real_estate_landlord_tenant",
            "real_estate_dispute",
        ],
    ),
    (
        "Business Law",
        &[
            "business_formation",
            "business_contract",
            "business_dispute",
            "business_sale",
        ],
    ),
    (
        "Bankruptcy",
        &[
            "bankruptcy_chapter_7",
            "bankruptcy_chapter_13",
            "debt_defense",
        ],
    ),
    (
        "Workers' Compensation",
        &["workers_compensation", "workers_compensation_appeal"],
    ),
    (
        "Social Security",
        &["social_security_disability", "social_security_appeal"],
    ),
    ("Tax", &["tax_dispute", "tax_planning"]),
    (
        "Intellectual Property",
        &[
            "trademark_registration",
            "copyright_dispute",
            "patent_application",
        ],
    ),
];

/// The practice area that a case type means: the firm's own mapping, else the built-in default, else nothing. `Divorce-Standard` and
/// ` divorce standard` mean `divorce_standard`, in a firm's mapping too; where a mapping tells them apart, the one that is written so holds.
#[must_use]
pub fn practice_area<'a>(case_type: &str, own: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let wanted = plain(case_type);
    let mapped = own.get(case_type).or_else(|| {
        let mut own = own.iter();
        own.find_map(|(name, area)| (plain(name) == wanted).then_some(area))
    });
    mapped.map(String::as_str).or_else(|| {
        CATALOGUE
            .iter()
            .find(|(_, case_types)| case_types.contains(&wanted.as_str()))
            .map(|(area, _)| *area)
    })
}

fn plain(case_type: &str) -> String {
    case_type.trim().to_lowercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_forty_case_types_in_ten_areas_and_none_twice() {
        let mut all: Vec<&str> = CATALOGUE
            .iter()
            .flat_map(|(_, types)| types.iter().copied())
            .collect();
        assert!(all.len() >= 40 && CATALOGUE.len() >= 10);

        let count = all.len();
        all.sort_unstable();
        all.dedup();

        assert_eq!(all.len(), count);
    }

    #[test]
    fn the_five_published_defaults_hold() {
        let none = BTreeMap::new();
        for (case_type, area) in [
            ("divorce_standard", "Family Law"),
            ("custody_only", "Family Law"),
            ("immigration_asylum", "Immigration"),
            ("personal_injury_auto", "Personal Injury"),
            ("estate_planning_will", "Estate Planning"),
        ] {
            assert_eq!(practice_area(case_type, &none), Some(area));
        }
    }

    #[test]
    fn a_case_type_is_the_same_however_it_is_written() {
        let own = BTreeMap::from([
            ("Boat-Law".to_owned(), "Admiralty".to_owned()),
            ("divorce standard".to_owned(), "Spaced".to_owned()),
        ]);
        let none = BTreeMap::new();
        for written in [
            "Divorce_Standard",
            " divorce_standard ",
            "divorce-standard",
            "divorce standard",
            "DIVORCE STANDARD\n",
        ] {
            assert_eq!(
                practice_area(written, &none),
                Some("Family Law"),
                "{written}"
            );
            assert_eq!(practice_area(written, &own), Some("Spaced"), "{written}");
        }
        for written in ["boat_law", "Boat Law", "BOAT-LAW "] {
            assert_eq!(practice_area(written, &own), Some("Admiralty"), "{written}");
        }
        for unknown in ["", " ", "divorce", "divorce__standard", "divorcestandard"] {
            assert_eq!(practice_area(unknown, &own), None, "{unknown}");
        }
    }

    #[test]
    fn a_firms_own_mapping_wins_and_an_unknown_case_type_means_nothing() {
        let own = BTreeMap::from([("custody_only".to_owned(), "Custody".to_owned())]);

        assert_eq!(practice_area("custody_only", &own), Some("Custody"));
        assert_eq!(practice_area("space_law", &own), None);
    }
}
