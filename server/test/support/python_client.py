"""Completes the flow of a user over gRPC, with grpcio and nothing of ours: the descriptors come on standard input."""
import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

host, user = sys.argv[1], json.loads(sys.argv[2])
pool = descriptor_pool.DescriptorPool()
for file in descriptor_pb2.FileDescriptorSet.FromString(sys.stdin.buffer.read()).file:
    pool.Add(file)
service = pool.FindServiceByName("auth.v1.AuthService")
factory = message_factory.MessageFactory(pool)
channel = grpc.insecure_channel(host)


def call(name, fields, token=None):
    method = service.FindMethodByName(name)
    request = factory.GetPrototype(method.input_type)()
    json_format.ParseDict(fields, request)
    answer = channel.unary_unary(
        f"/{service.full_name}/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=factory.GetPrototype(method.output_type).FromString,
    )
    return answer(request, metadata=[("authorization", f"Bearer {token}")] if token else None, timeout=10)


call("Register", user)
login = call("Login", {"identifier": user["email"], "password": user["password"]})
assert call("GetMe", {}, login.access_token).user.email == user["email"]
following = call("RefreshToken", {"refresh_token": login.refresh_token})
assert following.refresh_token != login.refresh_token
call("Logout", {"refresh_token": following.refresh_token})
try:
    call("GetMe", {}, following.access_token)
except grpc.RpcError as error:
    print("register login me refresh logout", error.code().name)
