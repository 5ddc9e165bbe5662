//! Where everything is, for a person who wants to try it.

use anyhow::Result;
use harness::App;

use crate::sample::Sample;
use crate::say;

pub(crate) fn print(app: &App, sample: &Sample) -> Result<()> {
    let (api, simulator) = (app.ingress_url(), app.simulator_url());
    say(format!(
        "Everything stays up; Ctrl-C stops it.\n\n  API          {api}/api/v1"
    ))?;
    say(format!(
        "  ingress ops  {}/metrics, /healthz, /readyz",
        app.ingress_ops_url()
    ))?;
    for url in app.worker_ops_urls() {
        say(format!("  worker ops   {url}/metrics, /healthz, /readyz"))?;
    }
    say(format!(
        "  simulator    {simulator}/_control/clio/state (what Clio holds)"
    ))?;
    say(format!("  Postgres     {}", app.database.admin_url()))?;
    say(format!("  record       {}", app.record().display()))?;
    say(format!(
        "  logs         {}",
        app.folder.join("logs").display()
    ))?;
    print_token(app, sample)?;
    let integration = format!("{api}/api/v1/integrations/clio");
    let bearer = r#"-H "authorization: Bearer $TOKEN""#;
    say(format!(
        "  curl {bearer} {integration}/status\n  \
           curl {bearer} '{integration}/sync?limit=5'\n  \
           curl {bearer} -H 'content-type: application/json' -H 'prefer: wait=10' \\\n    \
             -d '{{\"matter_id\":\"{}\"}}' {integration}/sync\n",
        sample.matter.id
    ))
}

/// A token of a firm admin.
pub(crate) fn print_token(app: &App, sample: &Sample) -> Result<()> {
    let token = app.tokens.firm_admin(sample.matter.firm)?;
    say(format!(
        "\nAs an admin of the firm, for 50 minutes (a new token is printed in time):\n\n  TOKEN={token}"
    ))
}
