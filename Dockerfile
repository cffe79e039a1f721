# docker build -t sgpipe .
# docker run --rm -v "$PWD/out:/study/results" sgpipe                    every figure and table at scale laptop
# docker run --rm -v "$PWD/out:/study/results" sgpipe zenke2021_fig3     one figure
FROM python:3.11-slim-bookworm AS build

RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /source
COPY constraints.in constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt --requirement constraints.in \
    --extra-index-url https://download.pytorch.org/whl/cpu

COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt --no-build-isolation '.[slurm]'

FROM python:3.11-slim-bookworm
COPY --from=build /usr/local /usr/local
WORKDIR /study
COPY config.yaml Snakefile ./
COPY workflow workflow
COPY profiles profiles
ENTRYPOINT ["snakemake", "--cores", "all"]
CMD ["all_figures", "all_tables"]
