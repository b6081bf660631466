"""The project's own REST API: one private view, its errors in its own form."""

from rest_framework.permissions import IsAdminUser
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler


class SalariesView(APIView):
    """Salaries of the agents."""

    permission_classes = (IsAdminUser,)

    def get(self, request):
        return Response({"salaries": []})


def handle(exc, context):
    response = exception_handler(exc, context)
    if response is not None:
        response.data = {"si_error": str(exc)}
    return response
