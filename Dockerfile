# docs/hebergement.md says how it is run: read-only, as nobody in particular.
FROM python:3.13-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt ./
COPY requirements requirements
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
RUN SECRET_KEY=for-collectstatic-alone /venv/bin/python manage.py collectstatic --noinput

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /nowhere dossiers
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PORT=8000
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health/live', timeout=4)"]
CMD ["gunicorn", "-c", "docs/exploitation/gunicorn.conf.py", "--worker-tmp-dir", "/dev/shm"]
