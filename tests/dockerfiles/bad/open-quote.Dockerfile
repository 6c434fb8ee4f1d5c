FROM debian
RUN \
	make \
	&& make install
ENV  	NAME="open \
	end
RUN x
