class PostgresqlSource:
    @classmethod
    def from_url(cls, url):
        raise NotImplementedError
