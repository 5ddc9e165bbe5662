//! Sabotage: one safeguard taken away, to see that the run notices.
//!
//! No code of the product can be asked to misbehave. The run alters functions of its own database instead: it takes a
//! function's definition, replaces a piece of its text and creates it again. A piece that is not found is an error, so that a
//! sabotage never silently becomes none when a function is rewritten.

use anyhow::{Context, Result, ensure};
use sqlx::{AssertSqlSafe, PgPool, raw_sql};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sabotage {
    /// A worker that ran a job may write its outcome and call the provider, whether or not it still holds the lane.
    Fence,
    /// A creation during which a worker died is made again without looking for the record.
    Look,
    /// A lane's newest job runs first.
    Order,
    /// A finished job now and then leaves its lane idle though another job waits in it.
    Wakeup,
    /// Leases count a connection's held lanes without locking the connection first.
    Cap,
}

struct Edit {
    function: &'static str,
    from: &'static str,
    to: &'static str,
}

impl Sabotage {
    fn edits(self) -> &'static [Edit] {
        match self {
            Self::Fence => &[
                Edit {
                    function: "queue_lock_held",
                    from: "and lane.fence = sorted.fence and lane.worker is not distinct from p_worker and lane.running_job = sorted.job_id",
                    to: "and lane.running_job = sorted.job_id",
                },
                Edit {
                    function: "permit_refusal",
                    from: "where lane.key = p_lane\n    and lane.fence = p_fence and lane.worker is not distinct from p_worker and worker.alive_until > app_now()",
                    to: "where lane.key = p_lane",
                },
            ],
            Self::Look => &[
                Edit {
                    function: "link_claim",
                    from: "when 'creating' then",
                    to: "when 'never' then",
                },
                Edit {
                    function: "link_claim",
                    from: "parent_id = p_parent, sha256 = p_sha256\n",
                    to: "parent_id = p_parent, sha256 = p_sha256, state = 'claimed', looked_at = v_now\n",
                },
            ],
            Self::Order => &[Edit {
                function: "queue_heads",
                from: "order by job.seq limit 1",
                to: "order by job.seq desc limit 1",
            }],
            Self::Wakeup => &[Edit {
                function: "queue_free_lanes",
                from: "when next.job_id is not null and not next.continues then greatest(next.run_at, p_now)",
                to: "when next.job_id is not null and not next.continues and random() > 0.1 then greatest(next.run_at, p_now)",
            }],
            Self::Cap => &[Edit {
                function: "queue_try_connection",
                from: "select pg_try_advisory_xact_lock(hashtextextended(p_connection::text, 7))",
                to: "select true",
            }],
        }
    }

    pub(crate) async fn apply(self, admin: &PgPool) -> Result<()> {
        for edit in self.edits() {
            edit.apply(admin)
                .await
                .with_context(|| format!("sabotage {self:?} in {}", edit.function))?;
        }
        Ok(())
    }
}

impl Edit {
    async fn apply(&self, admin: &PgPool) -> Result<()> {
        let definition: String =
            sqlx::query_scalar("select pg_get_functiondef(p.oid) from pg_proc p where p.proname = $1 and p.pronamespace = 'public'::regnamespace")
                .bind(self.function)
                .fetch_one(admin)
                .await?;
        ensure!(
            definition.contains(self.from),
            "the safeguard is not where it was: {}",
            self.from
        );
        let altered = definition.replace(self.from, self.to);
        raw_sql(AssertSqlSafe(altered)).execute(admin).await?;
        Ok(())
    }
}
