-- For snakemake --sdm env-modules, by Lmod: the environment that envs/install.sh made in the folder STEADYFLOW_ENVIRONMENT.
--   module use envs/modules; export STEADYFLOW_ENVIRONMENT=FOLDER
-- Copy it, and load here what that environment stands on; on JUWELS: load("Stages/2025", "GCC", "Python")
whatis("Description: stability of latent flow matching")
prepend_path("PATH", pathJoin(os.getenv("STEADYFLOW_ENVIRONMENT"), "bin"))
