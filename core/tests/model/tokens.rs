//! Tokens: who may come in. They touch nothing else that the model knows.

use orderline_protocol::RejectCode;
use orderline_protocol::command::*;

use crate::fields;
use crate::model::{Answer, Model, Refused, Told, seen, seen_or_new};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub label: String,
    pub version: u32,
    pub hash: [u8; 32],
    /// In microseconds since 1970; 0: never.
    pub expires_at_us: i64,
    pub role: u8,
    /// Of the role seller.
    pub seller: Option<u32>,
    /// Of the role warehouse, in ascending order.
    pub locations: Vec<u16>,
    /// 0: no bound.
    pub commands_per_s_max: u32,
    pub is_revoked: bool,
}

impl Model {
    pub fn define_token(&mut self, head: &DefineToken, label: &str) -> Answer {
        let is_of = |role: Role| head.role == role as u8;
        let seller = if is_of(Role::Seller) { Some(self.known_seller(head.seller)?) } else { None };
        let locations = fields::listed(&head.locations);
        for location in head.locations.iter() {
            self.known_location(location)?;
        }
        fields::code(label)?;
        let at = self.tokens.iter().position(|token| token.label == label);
        let version = at.map_or(0, |at| self.tokens[at].version);
        seen_or_new(head.expected_version.get(), version)?;
        let mut new = Token {
            label: label.to_owned(),
            version,
            hash: head.hash,
            expires_at_us: head.expires_at_us.get(),
            role: head.role,
            seller,
            locations,
            commands_per_s_max: head.commands_per_s_max.get(),
            is_revoked: false,
        };
        let number = at.unwrap_or(self.tokens.len()) as u32 + 1;
        let told = Told { version, ..Told::detail(number.into()) };
        if at.is_some_and(|at| self.tokens[at] == new) {
            return Ok(Told { before: true, ..told });
        }
        for (other, token) in self.tokens.iter().enumerate() {
            if token.hash == new.hash && (Some(other) != at || token.is_revoked) {
                return Err(Refused::new(RejectCode::TokenHashReused).subject(other as u32 + 1));
            }
        }
        new.version += 1;
        match at {
            Some(at) => self.tokens[at] = new,
            None => self.tokens.push(new),
        }
        Ok(Told { version: version + 1, ..told })
    }

    pub fn revoke_token(&mut self, head: &RevokeToken) -> Answer {
        let number = head.token.get();
        let Some(token) = (number as usize).checked_sub(1).and_then(|at| self.tokens.get_mut(at)) else {
            return Err(Refused::new(RejectCode::UnknownToken).subject(number));
        };
        seen(head.expected_version.get(), token.version)?;
        if token.is_revoked {
            let refused = Refused::new(RejectCode::NothingToDo);
            return Err(Refused { version: Some(token.version), ..refused });
        }
        token.version += 1;
        token.is_revoked = true;
        Ok(Told { version: token.version, ..Told::detail(number.into()) })
    }
}
