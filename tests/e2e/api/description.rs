//! `/openapi.json`, read as a table: each operation, and the roles that may call it.

use reqwest::Method;
use serde_json::Value;

use crate::support::TestApp;

/// One operation of the description.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// With `{parameters}`.
    pub(crate) template: String,
    /// None where no token is asked for.
    pub(crate) roles: Option<Vec<String>>,
}

impl Operation {
    /// A path that fits the template; what it names need not be there.
    pub(crate) fn path(&self) -> String {
        self.template
            .replace("{platform}", "clio")
            .replace("{id}", "no-such-event")
    }
}

impl TestApp {
    /// What the description says of every operation.
    pub(crate) async fn operations(&self) -> Vec<Operation> {
        let document = self
            .send(self.ask(Method::GET, "/openapi.json"))
            .await
            .unwrap()
            .body;
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(template, item)| {
                let item = item.as_object().unwrap().iter();
                item.filter_map(|(method, operation)| read(template, method, operation))
            })
            .collect()
    }
}

/// None for a member of a path that is no method, such as its parameters.
fn read(template: &str, method: &str, operation: &Value) -> Option<Operation> {
    let known = ["get", "put", "post", "delete", "patch"].contains(&method);
    known.then(|| Operation {
        method: method.to_uppercase().parse().unwrap(),
        template: template.to_owned(),
        roles: operation["security"]
            .as_array()
            .map(|schemes| roles(schemes)),
    })
}

fn roles(schemes: &[Value]) -> Vec<String> {
    let scopes = schemes
        .iter()
        .flat_map(|scheme| scheme["bearer"].as_array().unwrap());
    scopes
        .map(|scope| scope.as_str().unwrap().to_owned())
        .collect()
}
