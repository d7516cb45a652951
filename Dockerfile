# The program alone, from its lock. Settings: `-v ./conf:/opt/mmactors/conf -e DEGEN_API_KEY`; logs: `-v mmactors:/opt/mmactors/var`.
FROM python:3.13-slim
WORKDIR /opt/mmactors
ENV PYTHONUNBUFFERED=1
COPY install.py ./
COPY requirements requirements
RUN python3 install.py
COPY run.py README.md ./
COPY conf conf
COPY mmactors mmactors
RUN useradd --system --uid 999 mmactors && mkdir var && chown 999 var
USER 999
# Ctrl-C's signal: everything is cancelled before it ends.
STOPSIGNAL SIGINT
ENTRYPOINT ["/opt/mmactors/.venv/bin/python", "run.py"]
CMD ["conf/sim.yaml"]
