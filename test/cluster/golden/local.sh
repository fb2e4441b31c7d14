cd /shared/home/me # tasks 3-4
/opt/node/bin/node /opt/wrn-onnx/main.js eval '../../net $1.onnx' --data imagenet --threads 4 --shard 3/64 -o '/shared/it'\''s a "result", 100%'
/opt/node/bin/node /opt/wrn-onnx/main.js eval '../../net $1.onnx' --data imagenet --threads 4 --shard 4/64 -o '/shared/it'\''s a "result", 100%'
