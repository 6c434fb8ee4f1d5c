# escape=`

FROM mcr.example.com/windows/servercore
SHELL ["powershell", "-Command"]
WORKDIR C:\app
COPY bin\ C:\app\
RUN New-Item -Type Directory C:\logs; `
    # nothing to see here
    Remove-Item C:\tmp -Recurse
ENV TOOLS=C:\tools PATHS="C:\a`"b" ONE=a` b
CMD ["app.exe", "--path", "C:\\app"]
