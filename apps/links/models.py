"""Which job carries which run, and which jobs are agents of which sweep."""

from django.db import models


class RunLink(models.Model):
    """One attempt that carries one run; ``how`` and ``evidence`` say how we know."""

    run = models.ForeignKey("sweeps.Run", on_delete=models.CASCADE, related_name="job_links")
    job = models.ForeignKey("slurm.Job", on_delete=models.CASCADE, related_name="run_links")
    how = models.CharField(max_length=20)
    evidence = models.CharField(max_length=300)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "job"], name="run_link_is_unique")]


class AgentLink(models.Model):
    """One attempt that works for one sweep, whether or not a run is known in it."""

    sweep = models.ForeignKey("sweeps.Sweep", on_delete=models.CASCADE, related_name="agent_links")
    job = models.ForeignKey("slurm.Job", on_delete=models.CASCADE, related_name="agent_links")
    evidence = models.CharField(max_length=300)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sweep", "job"], name="agent_link_is_unique")]
